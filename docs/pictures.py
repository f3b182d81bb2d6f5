#!/usr/bin/env python3
"""The README's pictures, from a real terminal: `docs/pictures.py target/release/spur`.

Starts a Spur with the demo's shop, sends requests, opens `spur ui` in a tmux server of its own,
presses keys, and writes what the terminal then shows as SVG. Ends what it started.
"""

import html
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

SIZE = (120, 32)
DEADLINE_S = 30
# One cell, in pixels, of the monospaced fonts below at 13 px.
CELL = (7.83, 17)
BACK, FORE = "#10151c", "#d5dde6"
COLOURS = ["#484f58", "#ff7b72", "#7bd88f", "#e3b341", "#8ab4f8", "#d2a8ff", "#76e3ea", "#b1bac4"]
BRIGHT = ["#6e7681", "#ffa198", "#a5f0b5", "#f2cc60", "#b6d2ff", "#e2c5ff", "#b3f0ff", "#ffffff"]
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def until(what, look):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        seen = look()
        if seen:
            return seen
        time.sleep(0.05)
    sys.exit(f"not within {DEADLINE_S} s: {what}")


class Terminal:
    def __init__(self, home, env):
        self.socket = os.path.join(home, "tmux")
        self.env = env
        width, height = map(str, SIZE)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "bash", "--norc", "--noprofile")

    def tmux(self, *words):
        told = subprocess.run(["tmux", "-S", self.socket, *words], env=self.env, check=True, capture_output=True, text=True)
        return told.stdout

    def run(self, line):
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def press(self, *keys):
        for key in keys:
            self.tmux("send-keys", key)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def until(self, text):
        until(f"`{text}` is on the screen", lambda: text in self.tmux("capture-pane", "-p"))

    def press_until(self, key, text):
        """Presses a key until a text is on the screen, and gives it time to be drawn."""

        def look():
            if text in self.tmux("capture-pane", "-p"):
                return True
            self.press(key)
            time.sleep(0.3)
            return False

        until(f"`{text}` is on the screen after `{key}`", look)

    def picture(self, path, label, *texts):
        """What is on the screen once these texts are on it and nothing is being drawn."""
        seen = [None]

        def is_still():
            now = self.tmux("capture-pane", "-p", "-e")
            is_same, seen[0] = now == seen[0], now
            time.sleep(0.2)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", now)
            return is_same and all(text in plain for text in texts)

        until(f"the screen stands still with {texts}", is_still)
        with open(path, "w") as file:
            file.write(svg(seen[0].split("\n")[: SIZE[1]], label))
        print(path)


def runs(line, state):
    """Pieces of a line, each with its look; the look goes on from line to line."""
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not piece.startswith("\x1b["):
            if piece:
                yield piece, dict(state)
            continue
        codes = [int(code or 0) for code in piece[2:-1].split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                state.clear()
            elif code in (1, 2, 7):
                state[{1: "bold", 2: "dim", 7: "reverse"}[code]] = True
            elif code in (22, 27):
                for name in {22: ("bold", "dim"), 27: ("reverse",)}[code]:
                    state.pop(name, None)
            elif 30 <= code <= 37:
                state["fore"] = COLOURS[code - 30]
            elif 90 <= code <= 97:
                state["fore"] = BRIGHT[code - 90]
            elif code == 39:
                state.pop("fore", None)
            elif 40 <= code <= 47:
                state["back"] = COLOURS[code - 40]
            elif 100 <= code <= 107:
                state["back"] = BRIGHT[code - 100]
            elif code == 49:
                state.pop("back", None)
            elif code in (38, 48) and codes[:1] == [5]:
                number = codes[1]
                del codes[:2]
                if number < 16:
                    state["fore" if code == 38 else "back"] = (COLOURS + BRIGHT)[number]


def svg(lines, label):
    width, height = SIZE[0] * CELL[0] + 24, len(lines) * CELL[1] + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" role="img" aria-label="{html.escape(label)}">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>',
        f'<g font-family="{html.escape(FONT)}" font-size="13" fill="{FORE}" xml:space="preserve">',
    ]
    state = {}
    for row, line in enumerate(lines):
        column, y = 0, 12 + row * CELL[1]
        for text, look in runs(line, state):
            x, wide = 12 + column * CELL[0], len(text) * CELL[0]
            column += len(text)
            fore, back = look.get("fore", FORE), look.get("back")
            if look.get("reverse"):
                fore, back = back or BACK, fore
            if back:
                out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{CELL[1]}" fill="{back}"/>')
            if text.strip():
                extra = f' fill="{fore}"' if fore != FORE else ""
                extra += ' font-weight="bold"' if look.get("bold") else ""
                extra += ' opacity="0.6"' if look.get("dim") else ""
                out.append(
                    f'<text x="{x:.1f}" y="{y + 13:.1f}" textLength="{wide:.1f}"{extra}>{html.escape(text)}</text>'
                )
    return "\n".join(out + ["</g>", "</svg>", ""])


def main():
    spur = os.path.abspath(sys.argv[1])
    folder = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory(prefix="spur-pictures-") as home:
        env = {"PATH": os.environ["PATH"], "HOME": home, "TERM": "screen-256color", "LANG": "C.UTF-8"}
        up = subprocess.Popen(
            [spur, "up", "--data", f"{home}/data", "-o", "json", "--no-ui", "--port", "0", "--entry-port", "0"]
            + ["--service-ports", "free", "--runtime", "process", "-f", os.path.join(folder, "../fixtures/demo")],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True,
        )
        try:
            ready = json.loads(up.stdout.readline())
            env["KUBECONFIG"] = ready["kubeconfig"]
            shots(spur, folder, home, env, ready["entry"])
        finally:
            up.terminate()
            up.wait()


def shots(spur, folder, home, env, entry):
    def run(*words):
        return subprocess.run([spur, *words], env=env, check=True, capture_output=True, text=True).stdout

    run("wait", "--for=condition=Available", "deployment", "--all", "--timeout", "30s")
    run("wait", "--for=condition=Ready", "sandbox/cheaper", "--timeout", "30s")
    key = json.loads(run("get", "sandbox", "cheaper", "-o", "json"))["status"]["routingKey"]

    def get(path, **headers):
        port = entry.rsplit(":", 1)[1]
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        request.add_header("Host", f"frontend.default.localhost:{port}")
        with urllib.request.urlopen(request) as answer:
            answer.read()

    for number in range(1, 10):
        get(f"/api/cart?n={number}", **({"spur-key": key} if number % 3 == 0 else {}))
        # So that they stand in their order: what ends within one sweep of the collector has none.
        time.sleep(0.05)
    terminal = Terminal(home, env)
    try:
        terminal.run(f"{spur} ui")
        terminal.until("/api/cart?n=9")
        terminal.press("/")
        terminal.type("path:/api")
        terminal.press("Enter")
        terminal.picture(
            f"{folder}/ui-live.svg", "spur ui: requests as they come, with the way they took", "filter ▸ path:/api", " 9 shown"
        )
        terminal.press("Enter")
        terminal.until("why · gw → frontend")
        # The call whose answer came from the fork.
        terminal.press_until("Down", "→ pricing")
        terminal.picture(
            f"{folder}/ui-trace.svg", "spur ui: one request, hop by hop, and why each went where it did", "[2 Trace]"
        )
        terminal.press("3")
        terminal.picture(
            f"{folder}/ui-topology.svg", "spur ui: which service calls which, with rates and errors", "[3 Topo]", "/s"
        )
    finally:
        terminal.tmux("kill-server")


if __name__ == "__main__":
    main()
