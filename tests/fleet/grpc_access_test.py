"""`answermill up --grpc`: access tokens over gRPC, and a fleet that is reached through TLS alone."""
import json
import re
import subprocess

import pytest

from harness import BIN, Fleet, ROOT, wait_for

CLIENTS = ROOT / "tests/fleet/clients"
pytestmark = pytest.mark.skipif(not (ROOT / "tests/node_modules/@grpc/grpc-js").exists(),
                                reason="@grpc/grpc-js is not installed: npm ci --prefix tests")


def grpc_address(fleet):
    found = wait_for(lambda: re.search(r"grpc.*port=(\d+) listening", fleet.log_text()), "gRPC to listen")
    return f"127.0.0.1:{found[1]}"


def tokens(fleet, *words):
    done = subprocess.run([BIN / "answermill", "tokens", *words, "--data", fleet.data], capture_output=True, text=True,
                          timeout=20, check=True)
    return done.stdout.strip()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_token_opens_over_grpc_what_it_opens_elsewhere():
    with Fleet(args=("--grpc", "127.0.0.1:0")) as fleet:
        fleet.json("POST", "/api/collections", {"name": "law"}, expect=201)
        court = fleet.ingest("court.txt", b"The court sits in the harbour hall.\n", collection="law")
        known = {"document": court["id"], "boss": tokens(fleet, "new", "boss", "--scope", "admin")}
        for name, *flags in (("reader", "--scope", "read"), ("asker", "--scope", "ask"), ("leaver", "--scope", "read,ask"),
                             ("lawyer", "--scope", "read,ask", "--collection", "law")):
            known[name] = tokens(fleet, "new", name, *flags)

        def taken():
            return fleet.json("GET", "/api/session", headers=bearer(known["lawyer"])).get("token") == "lawyer"
        wait_for(taken, "the tokens to be read")
        caller = subprocess.Popen(["node", CLIENTS / "grpc_access.mjs", grpc_address(fleet)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            caller.stdin.write(json.dumps(known) + "\n")
            caller.stdin.flush()
            said = caller.stdout.readline()
            if said == "REVOKE\n":
                tokens(fleet, "revoke", "leaver")
                caller.stdin.write("revoked\n")
                caller.stdin.flush()
            said += caller.stdout.read()
            assert caller.wait(10) == 0 and "SPOKEN" in said, said
        finally:
            caller.kill()
        for secret in known:
            assert secret == "document" or known[secret] not in fleet.log_text()


def test_grpc_beside_https_alone(tmp_path):
    cert, key = tmp_path / "mill.pem", tmp_path / "mill.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", cert, "-keyout", key],
                   check=True, capture_output=True)
    key.chmod(0o600)
    flags = ("--tls-cert", str(cert), "--tls-key", str(key), "--grpc", "127.0.0.1:0")
    with Fleet(listen="https://127.0.0.1:0", args=flags) as fleet:
        assert fleet.url.startswith("https://")
        done = subprocess.run(["node", CLIENTS / "grpc_tls.mjs", grpc_address(fleet), cert], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60)
        assert done.returncode == 0 and "SPOKEN" in done.stdout, done.stdout
