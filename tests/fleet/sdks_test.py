"""Unmodified packages that people already use, each before a real fleet."""
import os
import re
import subprocess

import pytest

from harness import BIN, Fleet, ModelServer, ROOT

CLIENTS = ROOT / "tests/fleet/clients"


@pytest.fixture(scope="module")
def fleet():
    with ModelServer() as model, Fleet(env=model.env("slow-100tps")) as running:
        yield running


def speak(fleet, program, package, *words):
    if not (ROOT / "tests/node_modules" / package).exists():
        pytest.skip(f"{package} is not installed: npm ci --prefix tests")
    done = subprocess.run(["node", str(CLIENTS / program), fleet.url.rstrip("/"), *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0 and "SPOKEN" in done.stdout, done.stdout[-4000:]


def test_openai(fleet):
    speak(fleet, "openai.mjs", "openai")


def test_ai_sdk(fleet):
    speak(fleet, "ai.mjs", "ai")


def test_model_context_protocol(fleet):
    speak(fleet, "mcp.mjs", "@modelcontextprotocol/sdk")


def start_grpc(fleet, *flags, **env):
    process = subprocess.Popen([BIN / "answermill-grpc", "--listen", "127.0.0.1:0", "--frontend", fleet.url.rstrip("/"), *flags],
                               env={**os.environ, **env}, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if listening := re.search(r"port=(\d+) listening", line):
            return process, f"127.0.0.1:{listening[1]}"
    raise AssertionError(f"answermill-grpc ended with {process.wait()}")


def test_grpc(fleet):
    process, address = start_grpc(fleet)
    try:
        speak(fleet, "grpc.mjs", "@grpc/grpc-js", address)
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_grpc_asks_for_its_token(fleet):
    refused = subprocess.run([BIN / "answermill-grpc", "--listen", "0.0.0.0:0"], stderr=subprocess.PIPE, text=True, timeout=10)
    assert refused.returncode == 2 and "access token" in refused.stderr
    process, address = start_grpc(fleet, ANSWERMILL_ACCESS_TOKEN="s3cret")
    try:
        speak(fleet, "grpc_token.mjs", "@grpc/grpc-js", address, "s3cret")
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_grpc_in_tls(fleet, tmp_path):
    grpc = pytest.importorskip("grpc", reason="python3-grpcio is not installed")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
    half = subprocess.run([BIN / "answermill-grpc", "--listen", "127.0.0.1:0", "--tls-cert", cert], capture_output=True, timeout=10)
    assert half.returncode == 2 and b"give both" in half.stderr
    process, address = start_grpc(fleet, "--tls-cert", cert, "--tls-key", key)
    try:
        secure = grpc.ssl_channel_credentials(root_certificates=cert.read_bytes())
        port = address.rpartition(":")[2]
        with grpc.secure_channel(f"localhost:{port}", secure) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            assert check(b"", timeout=10) == b"\x08\x01"  # field 1: SERVING
        with grpc.insecure_channel(f"localhost:{port}") as channel, pytest.raises(grpc.RpcError):
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_a_grpc_call_outlives_its_frontend():
    if not (ROOT / "tests/node_modules/@grpc/grpc-js").exists():
        pytest.skip("@grpc/grpc-js is not installed: npm ci --prefix tests")
    with ModelServer() as model, Fleet(env=model.env("slow-20tps")) as fleet:
        fleet.ingest("quay.txt", b"The quay has nine cranes.\n")
        process, address = start_grpc(fleet)
        caller = subprocess.Popen(["node", str(CLIENTS / "grpc_outlive.mjs"), fleet.url, address],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            assert caller.stdout.readline() == "ASKED\n"
            fleet.kill("frontend")
            said = caller.communicate(timeout=60)[0]
            assert caller.returncode == 0 and "SPOKEN" in said, said
        finally:
            caller.kill()
            process.terminate()
            assert process.wait(10) == 0
