from pathlib import Path

import pytest

from service.egress import Egress
from service.settings import BadSetting, DataSource, DevSettings, Settings

URL = "postgresql://heddle:secret@db.example:5432/heddle"


def test_only_the_database_has_to_be_named():
    settings = Settings.from_environment({"HEDDLE_DATABASE_URL": URL})

    assert settings == Settings(
        listen="127.0.0.1:50051",
        database_url=URL,
        temporal_address="127.0.0.1:7233",
        temporal_namespace="default",
        home=Path(".heddle").absolute(),
        task_queue="heddle",
        history_limit=None,
        reconcile_seconds=20,
        statistics_seconds=60,
        request_retention_days=30,
        data_sources={},
        http_allow=Egress(),
    )


def test_a_missing_database_is_named():
    with pytest.raises(BadSetting, match="HEDDLE_DATABASE_URL is not set"):
        Settings.from_environment({})


def test_an_empty_variable_counts_as_absent():
    settings = Settings.from_environment({"HEDDLE_DATABASE_URL": URL, "HEDDLE_LISTEN": "", "HEDDLE_HISTORY_LIMIT": ""})

    assert settings.listen == "127.0.0.1:50051"
    assert settings.history_limit is None


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("HEDDLE_LISTEN", "50051", "expected host:port"),
        ("HEDDLE_LISTEN", "127.0.0.1:0", "from 1 to 65535"),
        ("HEDDLE_LISTEN", "127.0.0.1:65536", "from 1 to 65535"),
        ("HEDDLE_LISTEN", "::1:50051", "expected host:port"),
        ("HEDDLE_TEMPORAL_ADDRESS", "http://temporal:7233", "expected host:port"),
        ("HEDDLE_TEMPORAL_NAMESPACE", "a b", "letters, digits"),
        ("HEDDLE_TASK_QUEUE", "-", "letters, digits"),
        ("HEDDLE_DATA_SOURCES", "CRM", "'CRM' is no TYPE=queue:NAME or TYPE=https://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=", "'CRM=' is no TYPE=queue:NAME"),
        ("HEDDLE_DATA_SOURCES", "=queue:x", "'=queue:x' is no TYPE=queue:NAME"),
        ("HEDDLE_DATA_SOURCES", "crm=queue:x", "'crm=queue:x' is no TYPE=queue:NAME"),
        ("HEDDLE_DATA_SOURCES", "CRM=queue:x,", "'' is no TYPE=queue:NAME"),
        ("HEDDLE_DATA_SOURCES", "CRM=queue:x, CRM=queue:y", "the type CRM stands twice"),
        ("HEDDLE_DATA_SOURCES", "CRM=queue:a b", "the task queue of CRM is 'a b': expected 1 to 200 letters"),
        ("HEDDLE_DATA_SOURCES", "CRM=crm.example/data", "expected queue:NAME, http://HOST/PATH or https://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=file:///etc/passwd", "expected queue:NAME, http://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=https:///data", "expected queue:NAME, http://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=https://crm.example:many/", "expected queue:NAME, http://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=https://crm.example:0/", "expected queue:NAME, http://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=https://[::1/", "expected queue:NAME, http://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=https://crm.example/a b", "expected queue:NAME, http://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=https://crm.example/a\nX: y", "expected queue:NAME, http://HOST/PATH"),
        ("HEDDLE_DATA_SOURCES", "CRM=https://me@crm.example/", "a token goes into HEDDLE_DATA_SOURCE_TOKEN_CRM"),
        ("HEDDLE_HTTP_ALLOW", "https://api.example", "'https://api.example' is no host, pattern or network"),
        ("HEDDLE_HISTORY_LIMIT", "9", "from 10 to 50000"),
        ("HEDDLE_HISTORY_LIMIT", "many", "from 10 to 50000"),
        ("HEDDLE_RECONCILE_SECONDS", "0", "from 1 to 3600"),
        ("HEDDLE_STATISTICS_SECONDS", "86401", "from 1 to 86400"),
        ("HEDDLE_REQUEST_RETENTION_DAYS", "-1", "expected a number of days from 0 to 36500"),
        ("HEDDLE_REQUEST_RETENTION_DAYS", "36501", "from 0 to 36500"),
        ("HEDDLE_HISTORY_LIMIT", "٢٠٠", "from 10 to 50000"),
    ],
)
@pytest.mark.parametrize("kind", [Settings, DevSettings])
def test_a_bad_value_is_refused_with_its_name_and_rule(kind, name, value, rule):
    with pytest.raises(BadSetting) as refusal:
        kind.from_environment({"HEDDLE_DATABASE_URL": URL, name: value})

    assert str(refusal.value).startswith(f"{name} is {value!r}: ")
    assert rule in str(refusal.value)


def test_requests_may_be_remembered_for_ever():
    settings = Settings.from_environment({"HEDDLE_DATABASE_URL": URL, "HEDDLE_REQUEST_RETENTION_DAYS": "0"})

    assert settings.request_retention_days == 0


@pytest.mark.parametrize("name", ["HEDDLE_POSTGRES_PORT", "HEDDLE_TEMPORAL_PORT"])
def test_a_bad_port_of_an_embedded_part_is_refused(name):
    with pytest.raises(BadSetting, match=f"{name} is '70000': expected a port"):
        DevSettings.from_environment({name: "70000"})


def test_an_ipv6_address_stands_in_brackets():
    settings = Settings.from_environment({"HEDDLE_DATABASE_URL": URL, "HEDDLE_LISTEN": "[::1]:50051"})

    assert settings.listen == "[::1]:50051"


def test_a_refused_url_does_not_show_its_password():
    with pytest.raises(BadSetting) as refusal:
        Settings.from_environment({"HEDDLE_DATABASE_URL": "mysql://heddle:secret@db/heddle"})

    assert "secret" not in str(refusal.value)
    assert "mysql://heddle:***@db/heddle" in str(refusal.value)


def test_settings_in_a_log_do_not_show_the_password():
    assert "secret" not in repr(Settings.from_environment({"HEDDLE_DATABASE_URL": URL}))


def test_a_place_for_each_type_of_data_source():
    settings = Settings.from_environment(
        {
            "HEDDLE_DATABASE_URL": URL,
            "HEDDLE_DATA_SOURCES": "COMMENDA_LOGICAL_BACKEND=queue:dsc-sources, CRM=https://crm.example:8443/data?of=us",
            "HEDDLE_DATA_SOURCE_TOKEN_CRM": "s3cr3t",
        }
    )

    assert settings.data_sources == {
        "COMMENDA_LOGICAL_BACKEND": DataSource(queue="dsc-sources"),
        "CRM": DataSource(url="https://crm.example:8443/data?of=us", token="s3cr3t"),
    }
    assert "s3cr3t" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"HEDDLE_DATA_SOURCE_TOKEN_CRM": "s3cr3t"},
            "HEDDLE_DATA_SOURCE_TOKEN_CRM is set, but HEDDLE_DATA_SOURCES names no endpoint for the type 'CRM'",
        ),
        (
            {"HEDDLE_DATA_SOURCES": "CRM=queue:crm", "HEDDLE_DATA_SOURCE_TOKEN_CRM": "s3cr3t"},
            "HEDDLE_DATA_SOURCE_TOKEN_CRM is set, but HEDDLE_DATA_SOURCES names no endpoint for the type 'CRM'",
        ),
        (
            {"HEDDLE_DATA_SOURCES": "CRM=https://crm.example", "HEDDLE_DATA_SOURCE_TOKEN_CRM": "s3cr3t\r\nX: y"},
            "HEDDLE_DATA_SOURCE_TOKEN_CRM is no token: expected 1 to 8192 printable ASCII characters without spaces",
        ),
        (
            {"HEDDLE_DATA_SOURCES": "CRM=https://me:s3cr3t@crm.example/"},
            "HEDDLE_DATA_SOURCES is 'CRM=https://me:***@crm.example/': the url of CRM may hold neither a user nor",
        ),
        (
            {"HEDDLE_DATA_SOURCES": "CRM=https://me:s3cr3t@crm.example:many/"},
            "HEDDLE_DATA_SOURCES is 'CRM=https://me:***@crm.example:many/': CRM is served at 'https://me:***@crm",
        ),
    ],
)
@pytest.mark.parametrize("kind", [Settings, DevSettings])
def test_a_token_without_an_endpoint_or_in_the_wrong_place_is_refused_and_not_shown(kind, variables, message):
    with pytest.raises(BadSetting) as refusal:
        kind.from_environment({"HEDDLE_DATABASE_URL": URL, **variables})

    assert str(refusal.value).startswith(message)
    assert "s3cr3t" not in str(refusal.value)
