"""Parts of the Python worker that decide by themselves: the same answers as the C worker's."""

import os
import signal
import subprocess
import sys

import pytest

from workertools import ROOT, describe

sys.path.insert(0, str(ROOT / "python"))

from dblend.worker import complaint, frames, phase, source, system  # noqa: E402
from dblend.worker.blenders import Blender, Need, NoBlender, choose  # noqa: E402
from dblend.worker.cards import Card  # noqa: E402
from dblend.worker.child import End  # noqa: E402
from dblend.worker.device import AbsentDevice, WrongDevice, expand, find, format_cpus  # noqa: E402
from dblend.worker.device_lock import DeviceLock  # noqa: E402
from dblend.worker.output import Output  # noqa: E402
from dblend.worker.pulse import Limits, Pulse  # noqa: E402
from dblend.worker.system import Use  # noqa: E402
from dblend.worker.task import Task  # noqa: E402

HEAD = "Fra:1 Mem:9M (Peak 9M) | Time:00:00.00 | Scene, ViewLayer | "


@pytest.mark.parametrize("line, text, done, total", [
    ("Fra:1 Mem:10.40M (Peak 10.47M) | Time:00:00.06 | Remaining:00:00.01 | Mem:0.94M, Peak:0.94M "
     "| Scene, ViewLayer | Sample 128/512", "sample 128/512", 128, 512),
    ("Fra:7 Mem:1M | Time:00:01.00 | Scene, ViewLayer | Rendered 3/40 Tiles, Sample 4/128",
     "sample 4/128", 4, 128),
    ("Fra:1 Mem:11M (Peak 12M) | Time:00:05.12 | Rendering 26 / 64 samples", "sample 26/64", 26, 64),
    (HEAD + "Synchronizing object | Cube", "synchronising", 0, 0),
    (HEAD + "Loading render kernels (may take a few minutes)", "loading kernels", 0, 0),
    (HEAD + "Updating Scene BVH | Building BVH 0%", "building BVH", 0, 0),
    (HEAD + "Updating Meshes", "synchronising", 0, 0),
    (HEAD + "Finished", "finishing", 0, 0),
])
def test_status_lines_are_told_in_few_words(line, text, done, total):
    assert phase.parse(line) == (text, done, total)


@pytest.mark.parametrize("line", [
    "", "Saved: '/tmp/a.png'", "Sample 1/4", "my script | Sample 1/4", "Fra:1",
    "Fra:1 Mem:9M | Time:00:00.00", "Fra:1 Mem:9M | Sample 9/4", "Fra:1 Mem:9M | Sample -1/4",
    "Fra:1 | Sample 1/0", "Fra:1 | Sample 99999999999/99999999999"])
def test_other_lines_say_nothing(line):
    assert phase.parse(line) is None


@pytest.mark.parametrize("text, code", [
    ("Fra:1\nError: Build without OpenImageDenoiser\n", "denoiser-missing"),
    ("Error: Cannot render, no camera", "no-camera"),
    ("no camera?\nError: Cannot render, no camera\nNo space left on device\n", "disk-full"),
    ("Calloc returns null: len=1", "out-of-memory"),
    ("Error: Out of memory in cuMemAlloc_v2(&pointer, size) (x.cpp:1)", "out-of-gpu-memory"),
    ("Unable to determine the device handle: GPU is lost.", "device-lost")])
def test_known_words_have_codes(text, code):
    assert complaint.find(text)[0] == code


def test_words_that_spoil_a_picture():
    assert complaint.find("Error: Not freed memory blocks: 2") is None
    assert complaint.spoiling("No space left on device\nCalloc returns null\n") is None
    said = "Error: System is out of GPU memory\nNo space left on device\nSaved: 'a.png'\n"
    assert complaint.spoiling(said)[0] == "out-of-gpu-memory"


@pytest.mark.parametrize("end, oom, last, code", [
    (End(signal.SIGKILL, 0), True, "Sample 1/4", "out-of-memory"),
    (End(signal.SIGKILL, 0), False, "Sample 1/4", "crashed"),
    (End(signal.SIGSEGV, 0), True, "Sample 1/4", "crashed"),
    (End(signal.SIGABRT, 0), False, "terminate: std::bad_alloc", "out-of-memory"),
    (End(0, 9), False, "Traceback", "script-error"),
    (End(0, 1), False, "", "crashed"),
    (End(0, 9), False, "No space left on device", "disk-full")])
def test_an_end_has_a_code(end, oom, last, code):
    assert complaint.of_end(end, oom, last)[0] == code


EIGHT = range(8)


@pytest.mark.parametrize("text, ids", [
    ("cpu", ["cpu"]), ("cpu/2", ["cpu:0-3", "cpu:4-7"]), ("cpu/3", ["cpu:0-1", "cpu:2-4", "cpu:5-7"]),
    ("cpu:0,1", ["cpu:0", "cpu:1"]), ("cpu:0-1+4,cpu:6", ["cpu:0-1+4", "cpu:6"]),
    ("cpu:3+1+2", ["cpu:1-3"])])
def test_lists_of_devices(text, ids):
    assert [device.id for device in expand(text, EIGHT)] == ids


@pytest.mark.parametrize("text, fault", [
    ("cpu/9", WrongDevice), ("cpu/", WrongDevice), ("cpu/0", WrongDevice), ("cpu:", WrongDevice),
    ("cpu:8", WrongDevice), ("cpu:3-1", WrongDevice), ("cpu:x", WrongDevice), ("", WrongDevice),
    ("cpu,cpu:1", WrongDevice), ("disk", WrongDevice), ("gpu", AbsentDevice),
    ("GPU-1a2b", AbsentDevice), ("pci:0000:65:00.0", AbsentDevice)])
def test_what_is_no_device_here(text, fault):
    with pytest.raises(fault):
        expand(text, EIGHT)


def test_one_worker_has_one_device():
    assert find("none", EIGHT).kind == "none" and find("cpu:7", EIGHT).cpus == (7,)
    assert format_cpus([]) == ""
    for several in ("cpu/2", "cpu/1", "cpu:0,1"):
        with pytest.raises(WrongDevice, match="several"):
            find(several, EIGHT)


CARDS = [Card(number, f"0000:{place}:00.0", f"GPU-{place}-x", "RTX", 2**30, ("CUDA",))
         for number, place in enumerate(("17", "31"))]


@pytest.mark.parametrize("text, places", [
    ("gpu", ["17", "31"]), ("gpu:1", ["31"]), ("GPU-31", ["31"]), ("pci:0000:17:00.0", ["17"]),
    ("gpu:0,1", ["17", "31"])])
def test_cards_by_their_names(text, places):
    assert [device.id for device in expand(text, EIGHT, CARDS)] == \
        [f"pci:0000:{place}:00.0" for place in places]
    assert find("gpu", EIGHT, CARDS).name == "GPU 0 (RTX)"


@pytest.mark.parametrize("text, fault", [
    ("gpu:2", AbsentDevice), ("gpu:0+1", AbsentDevice), ("gpu:0+cpu", AbsentDevice),
    ("MIG-1", AbsentDevice), ("gpu:x", AbsentDevice), ("gpu,gpu:0", WrongDevice)])
def test_no_such_card(text, fault):
    with pytest.raises(fault):
        expand(text, EIGHT, CARDS)


def test_a_lock_is_of_its_device_alone(tmp_path):
    """Within one process a POSIX lock excludes nobody: the other holder is another process."""
    device = find("cpu:0-3", EIGHT)
    held = DeviceLock(str(tmp_path), device, "host/cpu:0-3")
    assert held.overlap == "" and (tmp_path / "device-cpu:0-3.lock").exists()
    script = ("import sys\nfrom dblend.worker.device import find\n"
              "from dblend.worker.device_lock import DeviceLock, Held\n"
              "try:\n    print(DeviceLock(sys.argv[1], find(sys.argv[2], range(8)), 'x').overlap)\n"
              "except Held as error:\n    print(error)\n")

    def ask(name):
        return subprocess.run([sys.executable, "-c", script, tmp_path, name], text=True, check=True,
                              capture_output=True, env={"PYTHONPATH": str(ROOT / "python")}).stdout
    assert "held by worker host/cpu:0-3 (pid" in ask("cpu:0-3")
    assert ask("cpu:2-5").startswith("host/cpu:0-3 (pid")
    assert ask("cpu:4-7") == "\n"


def test_a_long_list_of_cpus_has_a_short_file(tmp_path):
    DeviceLock(str(tmp_path), find("cpu:" + "+".join(map(str, range(0, 400, 2))), range(400)), "x")
    name, = (path.name for path in tmp_path.iterdir())
    assert len(name) == len("device-") + 120 + 17 + len(".lock")


def blender(version, denoiser=False):
    return Blender(f"/opt/{version}/blender", version, denoiser, False)


HERE = [blender("4.2.0"), blender("3.6.9", True), blender("3.6.2"), blender("3.4.1")]


@pytest.mark.parametrize("need, version, remark", [
    (Need(), "4.2.0", ""), (Need(304), "3.4.1", ""), (Need(306), "3.6.9", ""),
    (Need(303), "3.4.1", "saved by Blender 3.3"), (Need(402, "3.4"), "3.4.1", ""),
    (Need(304, denoiser=True), "3.6.9", "3.4.1 was passed over"), (Need(280), "3.4.1", "")])
def test_which_blender_a_job_takes(need, version, remark):
    chosen, said = choose(HERE, need)
    assert chosen.version == version and (remark in said if remark else said == "")


@pytest.mark.parametrize("need, code", [
    (Need(500), "file-too-new"), (Need(304, "3.5"), "blender-missing"),
    (Need(402, denoiser=True), "denoiser-missing"), (Need(304, "3.4", True), "denoiser-missing")])
def test_none_will_do(need, code):
    with pytest.raises(NoBlender) as error:
        choose(HERE, need)
    assert error.value.code == code


def test_output_keeps_its_head_and_its_tail():
    output = Output()
    for number in range(20000):
        output.add(b"line %d \xff\x01 of much" % number)
    text = output.text()
    assert len(text) <= 262144 and text.startswith(b"line 0 ?? of much\n")
    assert b" bytes left out ..." in text and text.endswith(b"line 19999 ?? of much\n")
    assert output.last().splitlines()[-1] == "line 19999 ?? of much" and len(output.last()) <= 1500
    output.clear()
    assert output.text() == b"" and output.last() == ""


def test_a_pulse_is_lines_or_work():
    uses = iter([Use(1, 0), Use(1, 0), Use(2, 0), Use(2, 0), Use(2, 0)])
    pulse = Pulse(Limits(4000), 0, lambda: next(uses))
    assert pulse.check(250) == "" and pulse.due_ms() == 1250
    assert pulse.check(4000) == ""  # silent since 250
    assert pulse.check(5100) == "", "it has worked meanwhile"
    pulse.beat(8000)
    assert pulse.check(11999) == "" and pulse.check(12000) == "stalled"
    assert Pulse(Limits(4000, 10), 0, lambda: None).check(10) == "too-long"


def task(options, **found):
    about = {"options": options, "found": {"frame_start": 1, "frame_end": 9, "frame_step": 2,
                                           "frame_current": 4, **found}}
    return Task({"claim": 1, "kind": "inspect"}, about)


@pytest.mark.parametrize("options, flat", [
    ({}, [1, 9, 2]), ({"frames": [3, 8, 1]}, [3, 8, 1]),
    ({"frames": [5, 8, 1], "frame_words": ["current", "start"]}, [1, 1, 1, 4, 4, 1, 5, 8, 1]),
    ({"frames": [3, 8, 1], "frame_words": ["current"]}, [3, 8, 1])])
def test_frames_as_the_broker_resolves_them(options, flat):
    one = task(options)
    assert frames.resolve(one, one.about["found"]) == flat


@pytest.mark.parametrize("frame, name", [(7, "/a_0007.png"), (-7, "/a_-0007.png"),
                                         (123456, "/a_123456.png")])
def test_the_name_of_a_frame(frame, name):
    assert frames.path_of({"head": "/a_", "digits": 4, "tail": ".png"}, frame) == name


def test_a_change_while_a_file_was_opened_is_seen(tmp_path):
    path = tmp_path / "a.blend"
    path.write_bytes(b"bytes")
    about = describe(path)
    before = source.look(source.ask_for(about, False))
    assert before.use == str(path)
    assert source.look(source.ask_for(about, False, before)).trouble is None
    os.utime(path, ns=(1, 1))
    assert source.look(source.ask_for(about, False, before)).trouble.code == "file-changed"
    path.unlink()
    assert source.look(source.ask_for(about, True)).trouble.code == "file-missing"


@pytest.mark.skipif(not system.LINUX, reason="other systems do not tell")
def test_what_a_process_uses():
    begin = system.use_of(os.getpid())
    assert sum(range(3_000_000)) and system.rss_of(os.getpid()) > 1_000_000
    with open("/dev/zero", "rb") as zero:
        zero.read(100_000)
    assert system.use_of(os.getpid()).io_bytes >= begin.io_bytes + 100_000
    assert system.process_start(os.getpid()) > 0
    assert 0 < system.memory_available() <= system.memory_total()
