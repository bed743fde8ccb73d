"""The programs printed in the description of /ws/stream run unmodified. They name localhost:8000, so the fleet and
they run in a network namespace of their own, where that port is surely free."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import BIN, ROOT

SEED = Path(os.environ.get("ANSWERMILL_SEEDS", ROOT.parent / "shared/seeds")) / "2-ws-stream-api.md"

INSIDE = r"""
import fcntl, os, signal, socket, struct, subprocess, sys, tempfile, time, urllib.request
flags = struct.pack("16sh", b"lo", 0x1)  # IFF_UP
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, flags)  # SIOCSIFFLAGS
binary, program = sys.argv[1], sys.argv[2:]
with tempfile.TemporaryDirectory(prefix="am-") as folder:
    fleet = subprocess.Popen([binary, "up", "--data", folder + "/data", "--listen", "localhost:8000"],
                             stdout=subprocess.PIPE, stderr=open(folder + "/log", "w"), text=True)
    if not fleet.stdout.readline().startswith("ready"):
        sys.exit("no fleet: " + open(folder + "/log").read()[-3000:])
    def post(path, body, kind):
        request = urllib.request.Request("http://localhost:8000" + path, data=body, headers={"Content-Type": kind})
        return urllib.request.urlopen(request).read()
    post("/api/collections", b'{"name": "course_tik_01"}', "application/json")
    text = ("Manajemen infrastruktur TI penting bagi organisasi modern karena menjaga layanan tetap tersedia. "
            "Komponen utama manajemen infrastruktur TI meliputi perangkat keras, perangkat lunak dan jaringan.\n")
    post("/api/documents?name=modul.txt&collection=course_tik_01&material_id=modul_06", text.encode(), "text/plain")
    for _ in range(200):
        if b'"ready"' in urllib.request.urlopen("http://localhost:8000/api/documents?collection=course_tik_01").read():
            break
        time.sleep(0.1)
    done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    fleet.send_signal(signal.SIGTERM)
    fleet.wait(10)
    print(done.stdout)
    if done.returncode:
        print(open(folder + "/log").read()[-3000:])
    sys.exit(done.returncode)
"""

JAVASCRIPT_DRIVER = r"""
globalThis.WebSocket = require('ws');
const element = () => ({ textContent: '', innerHTML: '', appendChild() { this.children = (this.children ?? 0) + 1; } });
const elements = {};
globalThis.document = { getElementById: (id) => (elements[id] ??= element()), createElement: element };
SEED_CLASS
const client = new ChatStreamClient('student123', 'course_tik_01');
const chunks = [];
client.onChunk = (message) => chunks.push(message.chunk);
client.onConnection = () => { client.ping(); client.sendQuery('Jelaskan komponen utama manajemen infrastruktur TI', true, 'room_discussion_001'); };
client.onError = (message) => { console.error(message); process.exit(3); };
client.onCompleteResponse = (message) => {
  if (chunks.join('') !== message.response) { console.error('chunks differ from the response'); process.exit(4); }
  for (const source of message.sources) (source.metadata.score * 100).toFixed(1);
  console.log('COMPLETE', JSON.stringify(message));
  message.metadata.cost_usd.toFixed(6);
  client.maxReconnectAttempts = 0;
  client.disconnect();
};
client.connect();
"""


def code_blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", SEED.read_text(), re.S)


def run_inside(*program):
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    command = ["unshare", "--net", sys.executable, "-c", INSIDE, str(BIN / "answermill"), *program]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


pytestmark = pytest.mark.skipif(not SEED.exists(), reason=f"the description of /ws/stream is not at {SEED}")


def test_the_python_program_runs_whole(tmp_path):
    program = next(block for block in code_blocks("python") if "asyncio.run(main())" in block)
    file = tmp_path / "client.py"
    file.write_text(program)
    said = run_inside(sys.executable, str(file))
    assert "Connected with configuration" in said
    assert "Complete response" in said
    assert "modul.txt" in said and "Page: 1." in said, said
    assert "Cost: $0.000000" in said
    assert "❌" not in said, said


def test_the_javascript_class_runs_from_its_on_connection(tmp_path):
    program = next(block for block in code_blocks("javascript") if "class ChatStreamClient" in block)
    js_class = program[:program.index("// Usage Example")]
    file = tmp_path / "client.cjs"
    file.write_text(JAVASCRIPT_DRIVER.replace("SEED_CLASS", js_class))
    os.environ["NODE_PATH"] = str(ROOT / "tests/node_modules")
    said = run_inside("node", str(file))
    assert "COMPLETE" in said and '"done":true' in said.replace(" ", ""), said
    assert "Pong received" in said


CHROMIUM_DRIVER = r"""
const { chromium } = require('playwright-core');
const { readFileSync } = require('node:fs');
(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  const page = await browser.newPage();
  await page.goto('http://localhost:8000/');
  const seen = await page.evaluate(`(() => {
    ${readFileSync(process.argv[2], 'utf8')}
    return new Promise((resolve, reject) => {
      const client = new ChatStreamClient('student123', 'course_tik_01');
      const chunks = [];
      client.onConnection = () => client.sendQuery('Jelaskan komponen utama manajemen infrastruktur TI', true, 'room_discussion_001');
      client.onChunk = (message) => chunks.push(message.chunk);
      client.onError = (message) => reject(new Error(message.error));
      client.onCompleteResponse = (message) => {
        client.maxReconnectAttempts = 0;
        client.disconnect();
        resolve({ same: chunks.join('') === message.response, sources: message.sources.length });
      };
      client.connect();
    });
  })()`);
  await browser.close();
  console.log('SEEN', JSON.stringify(seen));
})().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.skipif(not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists(), reason="no Chromium")
def test_the_javascript_class_runs_in_chromium(tmp_path):
    program = next(block for block in code_blocks("javascript") if "class ChatStreamClient" in block)
    (tmp_path / "class.js").write_text(program[:program.index("// Usage Example")])
    (tmp_path / "drive.cjs").write_text(CHROMIUM_DRIVER)
    os.environ["NODE_PATH"] = str(ROOT / "tests/node_modules")
    said = run_inside("node", str(tmp_path / "drive.cjs"), str(tmp_path / "class.js"))
    assert '"same":true' in said and '"sources":' in said, said
