"""docs/settings.md names every setting of every program, and none that is not there.

    ANSWERMILL_BIN=build/release/bin python3 tests/fleet/settings_test.py    # writes it anew from the programs' --help
"""
import re
import subprocess

from harness import BIN, ROOT

BAR = "\\|"  # within a cell
PAGE = ROOT / "docs/settings.md"
COMMANDS = ("up", "join", "keys", "tokens", "ingest", "ask", "search", "documents", "collections", "status", "journal")
PROGRAMS = [("answermill", name) for name in COMMANDS] + [
    (f"answermill-{stage}",) for stage in ("broker", "frontend", "extract", "embed", "index", "generate", "grpc")]
EVERYWHERE = ("--config", "--print-config", "--help")
FROM_THE_SERVER = ("--server", "token", "--token-file", "--ca-file", "--json")

HEAD = """# Every setting

Written from the programs' own `--help` by `tests/fleet/settings_test.py`, which also fails when this page and the
programs differ. A flag wins over the environment, that over the settings file (`--config FILE`, lines `name = value`,
names as the flags without dashes), that over the default. Lists are given by comma, or by repeating the flag. Every
program also has `--print-config`, `--help` and `--version`. What is said about them in words is in
[operations.md](operations.md).
"""


def settings_of(words):
    """The rows of `--help`: flag, value, meaning, default, variables."""
    # Nothing of the environment may show as a default.
    text = subprocess.run([BIN / words[0], *words[1:], "--help"], env={"HOME": "~"}, capture_output=True, text=True, timeout=20,
                          check=True).stdout
    lines = text.partition("Flags:\n")[2].partition("\n\n")[0].replace("\n" + " " * 28, "  ").splitlines()
    for line in lines:
        flag, meaning = re.match(r"  (\S.*?)  +(.*)", line).groups()
        meaning, _, variables = meaning.rpartition(" (env ") if meaning.endswith(")") and " (env " in meaning else (meaning, "", "")
        default = re.search(r" \[([^]]*(?:\[[^]]*\][^]]*)*)\]$", meaning)
        if default:
            meaning = meaning[:default.start()]
        name, _, value = flag.partition(" ")
        yield name, "" if value == "(no flag)" else value, meaning, default[1] if default else "", variables.rstrip(")")


def table(rows):
    out = ["| setting | variable | default | meaning |", "|---|---|---|---|"]
    for name, value, meaning, default, variables in rows:
        flag = f"`{name} {value}`".replace(" `", "`") if name.startswith("-") else f"`{name}` (no flag)"
        shown = ", ".join(f"`{one}`" for one in variables.split(", ") if one)
        cells = (flag, shown, f"`{default}`" if default else "", meaning)
        out.append("|" + "|".join(f" {cell.replace('|', BAR)} " if cell else " " for cell in cells) + "|")
    return "\n".join(out)


def page():
    parts = [HEAD]
    shared = [row for row in settings_of(("answermill", "status")) if row[0] in FROM_THE_SERVER]
    talking = ", ".join(f"`{name}`" for name in COMMANDS if {"--server"} & {row[0] for row in settings_of(("answermill", name))})
    parts.append(f"## Commands that talk to a server\n{talking}:\n\n{table(shared)}\n")
    for words in PROGRAMS:
        rows = [row for row in settings_of(words) if row[0].rstrip(",") not in EVERYWHERE]
        if any(row[0] == "--server" for row in rows):
            rows = [row for row in rows if row[0] not in FROM_THE_SERVER]
        if rows:
            parts.append(f"## {' '.join(words)}\n{table(rows)}\n")
    return "\n".join(parts)


def test_the_page_of_settings_is_what_the_programs_say():
    assert PAGE.read_text() == page(), f"write {PAGE.name} anew: python3 {__file__}"


def test_what_other_pages_name_exists():
    """No invented flags or variables in the other pages."""
    known = page()
    programs = {"--role", "--scope", "--json"}
    for other in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = other.read_text()
        for variable in set(re.findall(r"\bANSWERMILL_[A-Z_]+\b", text)):
            assert f"`{variable}`" in known, f"{other.name}: {variable}"
        for flag in set(re.findall(r"`(--[a-z][a-z-]+)", text)) - programs:
            assert re.search(rf"`{flag}[ `]", known), f"{other.name}: {flag}"


if __name__ == "__main__":
    PAGE.write_text(page())
