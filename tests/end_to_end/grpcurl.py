"""A stand-in for grpcurl where there is none: the flags that the README uses, by the server's own reflection.

    grpcurl -plaintext [-H 'name: value']... [-d <json> | -d @] <host:port> list | <service>/<method>

It knows no message by itself: everything that it reads and prints is built from what the server tells of itself.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main(arguments: list[str]) -> int:
    """Make one call; the exit code of a refused one is grpcurl's, 64 and the status code."""
    options = _options(arguments)
    with grpc.insecure_channel(options.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        if options.symbol == "list":
            print("\n".join(sorted(database.get_services())))
            return 0
        try:
            _call(channel, DescriptorPool(database), options)
        except grpc.RpcError as error:
            print(f"ERROR:\n  Code: {error.code().name}\n  Message: {error.details()}", file=sys.stderr)
            return int(64 + error.code().value[0])
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="grpcurl", allow_abbrev=False)
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-H", dest="headers", action="append", default=[], type=_header)
    parser.add_argument("-d", dest="data", default="{}")
    parser.add_argument("address")
    parser.add_argument("symbol")
    return parser.parse_args(arguments)


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip().lower(), value.strip()


def _call(channel: grpc.Channel, pool: DescriptorPool, options: argparse.Namespace) -> None:
    service, _, method = options.symbol.partition("/")
    found = pool.FindServiceByName(service).methods_by_name[method]
    data = sys.stdin.read() if options.data == "@" else options.data
    request = json_format.Parse(data, GetMessageClass(found.input_type)(), descriptor_pool=pool)
    kind = channel.unary_stream if found.server_streaming else channel.unary_unary
    answer_type = GetMessageClass(found.output_type)
    call = kind(
        f"/{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer_type.FromString,
    )
    answer = call(request, metadata=options.headers, timeout=30)
    for message in answer if found.server_streaming else [answer]:
        _show(message)


def _show(message: Any) -> None:
    # The server's reflection leaves the fields' JSON names out, so grpcurl prints those of the protos.
    print(json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
