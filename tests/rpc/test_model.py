"""The registry against a model of it: whatever is called in whatever order, both say the same."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import grpc
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from heddle.v1.template_pb2 import Template as TemplateMessage
from heddle.v1.version_pb2 import Version as VersionMessage
from tests.end_to_end.api import Api, Refusal
from tests.rpc.registry import INVALID, VALID


@dataclass
class Version:
    id: str
    label: str
    valid: bool
    status: str = "DRAFT"
    ran: bool = False


@dataclass
class Template:
    id: str
    versions: list[Version] = field(default_factory=list)
    active: Version | None = None
    archived: bool = False

    @property
    def state(self) -> str:
        return "ARCHIVED" if self.archived else "ACTIVE" if self.active else "DRAFT"


class Registry(RuleBasedStateMachine):
    """Each rule makes a call, and changes the model unless the model says why it should be refused."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__()
        self.api = Api(channel, f"model-{secrets.token_hex(8)}")
        self.templates: list[Template] = []

    def call(self, method: str, expected: str | None, **fields):
        if expected is None:
            return self.api.call(method, **fields)
        with pytest.raises(grpc.RpcError) as error:
            self.api.call(method, **fields)
        assert Refusal(error.value).reason == expected
        return None

    def a_template(self, data) -> Template:
        return data.draw(st.sampled_from(self.templates))

    def a_version(self, data) -> tuple[Template, Version]:
        found = [(template, version) for template in self.templates for version in template.versions]
        return data.draw(st.sampled_from(found))

    @rule()
    def create_template(self):
        answer = self.call("CreateTemplate", None, name=f"T {secrets.token_hex(4)}")
        self.templates.append(Template(answer.template.id))

    @precondition(lambda self: self.templates)
    @rule(data=st.data(), label=st.sampled_from(["1", "2", "3"]), valid=st.booleans())
    def create_version(self, data, label, valid):
        template = self.a_template(data)
        taken = any(version.label == label for version in template.versions)
        answer = self.call(
            "CreateVersion",
            "VERSION_LABEL_EXISTS" if taken else None,
            template_id=template.id,
            label=label,
            definition_json=VALID if valid else INVALID,
        )
        if answer:
            template.versions.append(Version(answer.version.id, label, valid))

    @precondition(lambda self: any(template.versions for template in self.templates))
    @rule(data=st.data(), valid=st.booleans())
    def update_version(self, data, valid):
        _, version = self.a_version(data)
        expected = None if version.status == "DRAFT" else "VERSION_NOT_DRAFT"
        if self.call("UpdateVersion", expected, version_id=version.id, definition_json=VALID if valid else INVALID):
            version.valid = valid

    @precondition(lambda self: any(template.versions for template in self.templates))
    @rule(data=st.data())
    def publish_version(self, data):
        _, version = self.a_version(data)
        expected = None if version.valid else "DEFINITION_INVALID"
        if self.call(
            "PublishVersion", expected if version.status == "DRAFT" else "VERSION_NOT_DRAFT", version_id=version.id
        ):
            version.status = "PUBLISHED"

    @precondition(lambda self: any(template.versions for template in self.templates))
    @rule(data=st.data())
    def activate_version(self, data):
        template, version = self.a_version(data)
        expected = "TEMPLATE_ARCHIVED" if template.archived else None
        if self.call(
            "ActivateVersion",
            expected if version.status == "PUBLISHED" else "VERSION_NOT_PUBLISHED",
            version_id=version.id,
        ):
            template.active = version

    @precondition(lambda self: any(template.versions for template in self.templates))
    @rule(data=st.data())
    def deprecate_version(self, data):
        template, version = self.a_version(data)
        expected = "VERSION_ACTIVE" if template.active is version else None
        if self.call(
            "DeprecateVersion",
            expected if version.status == "PUBLISHED" else "VERSION_NOT_PUBLISHED",
            version_id=version.id,
        ):
            version.status = "DEPRECATED"

    @precondition(lambda self: any(template.versions for template in self.templates))
    @rule(data=st.data())
    def delete_version(self, data):
        template, version = self.a_version(data)
        expected = "VERSION_IN_USE" if version.ran else None
        if self.call(
            "DeleteVersion", "VERSION_ACTIVE" if template.active is version else expected, version_id=version.id
        ):
            template.versions.remove(version)

    @precondition(lambda self: self.templates)
    @rule(data=st.data())
    def archive_template(self, data):
        template = self.a_template(data)
        if self.call("ArchiveTemplate", "TEMPLATE_ARCHIVED" if template.archived else None, template_id=template.id):
            template.archived = True

    @precondition(lambda self: self.templates)
    @rule(data=st.data())
    def unarchive_template(self, data):
        template = self.a_template(data)
        expected = None if template.archived else "TEMPLATE_NOT_ARCHIVED"
        if self.call("UnarchiveTemplate", expected, template_id=template.id):
            template.archived = False

    @precondition(lambda self: self.templates)
    @rule(data=st.data())
    def deactivate_template(self, data):
        template = self.a_template(data)
        expected = {"ARCHIVED": "TEMPLATE_ARCHIVED", "DRAFT": "TEMPLATE_HAS_NO_ACTIVE_VERSION"}.get(template.state)
        if self.call("DeactivateTemplate", expected, template_id=template.id):
            template.active = None

    @precondition(lambda self: self.templates)
    @rule(data=st.data())
    def delete_template(self, data):
        template = self.a_template(data)
        used = any(version.ran for version in template.versions)
        if self.call("DeleteTemplate", "TEMPLATE_IN_USE" if used else None, template_id=template.id):
            self.templates.remove(template)

    @precondition(lambda self: self.templates)
    @rule(data=st.data())
    def start_by_template(self, data):
        template = self.a_template(data)
        expected = {"ARCHIVED": "TEMPLATE_ARCHIVED", "DRAFT": "TEMPLATE_HAS_NO_ACTIVE_VERSION"}.get(template.state)
        if answer := self.call("StartExecution", expected, template_id=template.id):
            assert answer.execution.version_id == template.active.id
            template.active.ran = True

    @invariant()
    def everything_is_as_in_the_model(self):
        stored = {template.id: template for template in self.api.call("ListTemplates", page_size=200).templates}
        assert list(stored) == [template.id for template in reversed(self.templates)]
        for template in self.templates:
            assert TemplateMessage.State.Name(stored[template.id].state) == f"STATE_{template.state}"
            assert stored[template.id].active_version_id == (template.active.id if template.active else "")
            versions = self.api.call("ListVersions", template_id=template.id, page_size=200).versions
            assert [(version.id, VersionMessage.Status.Name(version.status)) for version in reversed(versions)] == [
                (version.id, f"STATUS_{version.status}") for version in template.versions
            ]


@pytest.mark.usefixtures("server")
def test_the_registry_is_as_its_model(channel):
    run_state_machine_as_test(
        lambda: Registry(channel),
        settings=settings(
            max_examples=8,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
