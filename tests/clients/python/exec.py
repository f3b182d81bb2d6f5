"""Commands run in a pod: both outputs, input, and the exit code; attach and logs."""

import json

from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL

from support import NAMESPACE, connect, script_pod, until, until_phase

connect()
core = client.CoreV1Api()
talk = "while read line; do echo got $line; done; echo end"
pod = script_pod("p", f"echo first; echo second; {talk}")
pod.spec.containers[0].stdin = True
core.create_namespaced_pod(NAMESPACE, pod)
until_phase(core, "p", "Running")


def run(*command, **options):
    options = {"stdin": False, "stdout": True, "stderr": True, "tty": False, **options}
    return stream(core.connect_get_namespaced_pod_exec, "p", NAMESPACE, command=list(command), **options)


# The short way gives what it printed.
assert run("echo", "hello world") == "hello world\n"
assert sorted(run("sh", "-c", "echo out; echo err >&2").split()) == ["err", "out"]

# The long way keeps the outputs apart and tells the exit code.
for code in (0, 3, 255):
    running = run("sh", "-c", f"echo out; echo err >&2; exit {code}", _preload_content=False)
    running.run_forever(timeout=30)
    assert (running.read_stdout(), running.read_stderr()) == ("out\n", "err\n")
    assert running.returncode == code, running.returncode
    running.close()

# Input, answered line by line.
running = run("sh", "-c", "while read a; do [ $a = bye ] && exit 7; echo got $a; done", stdin=True, _preload_content=False)
for word in ("one", "two"):
    running.write_stdin(word + "\n")
    assert running.readline_stdout(timeout=30) == f"got {word}"
running.write_stdin("bye\n")
running.run_forever(timeout=30)
assert running.returncode == 7, running.returncode

# Bytes that are no text.
running = run("sh", "-c", r"printf '\000\377\n'", _preload_content=False, binary=True)
running.run_forever(timeout=30)
assert running.read_stdout() == b"\x00\xff\n"

# Much of it, whole.
assert len(run("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x")) == 3_000_000

# A terminal has one output.
assert run("sh", "-c", "tty >/dev/null && echo out && echo err >&2", tty=True) == "out\r\nerr\r\n"

# A program that is not there has no exit code, but a reason.
running = run("no-such-program", _preload_content=False)
running.run_forever(timeout=30)
status = json.loads(running.read_channel(ERROR_CHANNEL))
assert (status["status"], status["reason"]) == ("Failure", "InternalError"), status
assert "no-such-program" in status["message"], status

# A pod that is not there fails the handshake.
try:
    stream(core.connect_get_namespaced_pod_exec, "none", NAMESPACE, command=["true"], stdout=True)
    raise AssertionError("there is no such pod")
except ApiException as error:
    assert "404" in f"{error.status} {error.reason}", error

# Attach: the container's own input and output.
attached = stream(
    core.connect_get_namespaced_pod_attach,
    "p", NAMESPACE, stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
)
attached.write_stdin("hi\n")
assert attached.readline_stdout(timeout=30) == "got hi"
attached.close()

# Logs: whole, the last line, and as a stream that ends with the container.
until("the log is written", lambda: "got hi" in core.read_namespaced_pod_log("p", NAMESPACE))
assert core.read_namespaced_pod_log("p", NAMESPACE) == "first\nsecond\ngot hi\n"
assert core.read_namespaced_pod_log("p", NAMESPACE, tail_lines=1) == "got hi\n"
following = watch.Watch().stream(core.read_namespaced_pod_log, "p", NAMESPACE)
assert [next(following) for _ in range(3)] == ["first", "second", "got hi"]
core.delete_namespaced_pod("p", NAMESPACE)
assert list(following) in ([], ["end"])
