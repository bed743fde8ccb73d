"""Unmodified packages that people already use, each before a real fleet."""
import subprocess

import pytest

from harness import Fleet, ModelServer, ROOT

CLIENTS = ROOT / "tests/fleet/clients"


@pytest.fixture(scope="module")
def fleet():
    with ModelServer() as model, Fleet(env=model.env("slow-100tps")) as running:
        yield running


def speak(fleet, program, package):
    if not (ROOT / "tests/node_modules" / package).exists():
        pytest.skip(f"{package} is not installed: npm ci --prefix tests")
    done = subprocess.run(["node", str(CLIENTS / program), fleet.url.rstrip("/")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0 and "SPOKEN" in done.stdout, done.stdout[-4000:]


def test_openai(fleet):
    speak(fleet, "openai.mjs", "openai")


def test_ai_sdk(fleet):
    speak(fleet, "ai.mjs", "ai")


def test_model_context_protocol(fleet):
    speak(fleet, "mcp.mjs", "@modelcontextprotocol/sdk")
