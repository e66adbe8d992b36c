"""worker/card and worker/device on described machines (tests/fake-gpu): no card is needed."""

import fcntl
import grp
import json
import os
import shutil
import time

import pytest

from gpumachine import PROBE, Machine
from workertools import BIN, HERE

MIB = 1024 * 1024
ENODEV, ENOTSUP, ETIMEDOUT = -19, -95, -110
FIRST, SECOND, THIRD, FOURTH = (f"pci:0000:{bus}:00.0" for bus in ("17", "31", "b1", "ca"))
MIGS = ("MIG-20975eb6-1f5c-5a31-9a3a-3c1c0c7f2f10", "MIG-5a5c6c4b-8d07-5b2b-a7ab-0d8ad3a5a3c2",
        "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f")


@pytest.fixture
def machine(tmp_path):
    made = []

    def make(name):
        made.append(Machine(tmp_path, name))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def probed(machine):
    if not PROBE.exists():
        pytest.skip(f"no {PROBE}")

    def start(name, *changes, **env):
        one = machine(name)
        for change in changes:
            one.set(*change)
        return one.start_probe(**env)

    return start


def faults(cards):
    return {card["device"]: card["fault"] for card in cards}


def test_a_machine_without_cards_has_none(machine):
    bare = machine("no-gpu")
    assert bare.cards() == []
    assert [device["device"] for device in bare.devices()] == ["cpu:0-7"]
    status, _, said = bare.worker("--list", "devices", "gpu")
    assert status == 2 and "there is no GPU here" in said


def test_cards_come_in_the_order_of_their_addresses_with_all_that_is_known(machine):
    cards = machine("four-cards").cards()
    assert [card["device"] for card in cards] == [FIRST, SECOND, THIRD, FOURTH]
    assert [card["index"] for card in cards] == [0, 1, 2, 3]
    assert [card["uuid"][4:12] for card in cards] == ["8932f937", "8932f001", "1b2c3d4e", "cafe0001"]
    assert [card["name"] for card in cards] == [
        "NVIDIA GeForce RTX 3090", "NVIDIA RTX A6000", "NVIDIA GeForce RTX 4090",
        "NVIDIA RTX A6000"]
    assert [card["memory_bytes"] // MIB for card in cards] == [24576, 49140, 24564, 49140]
    assert [card["numa"] for card in cards] == [0, 0, 1, 1]
    assert [card["display"] for card in cards] == [True, False, False, False]
    assert all(card["types"] == ["OPTIX", "CUDA"] and card["vendor"] == "nvidia" for card in cards)
    assert cards[2]["cpus"] == list(range(8, 16))
    assert all(card["fault"] is None and card["worker"] is None for card in cards)


def test_equal_cards_are_told_apart_and_share_the_cores(machine):
    devices = machine("eight-equal").devices()
    assert len({device["device"] for device in devices}) == 8
    assert [device["cpus"] for device in devices] == [
        list(range(4 * i, 4 * i + 4)) for i in range(8)]


def test_where_cores_are_few_each_card_has_them_all(machine):
    devices = machine("eight-equal").set(None, "cores", 6).devices()
    assert [device["cpus"] for device in devices] == [[0, 1, 2]] * 4 + [[3, 4, 5]] * 4


@pytest.mark.parametrize("text, ids", [
    ("gpu", [FIRST, SECOND, THIRD, FOURTH]),
    ("gpu:0,2", [FIRST, THIRD]),
    ("gpu:1+0", [f"{FIRST}+{SECOND}"]),
    ("pci:b1:00.0", [THIRD]),
    ("pci:00000000:B1:00.0", [THIRD]),
    ("GPU-8932f937-5a3c-4e1d-9b70-00008932f937", [FIRST]),
    ("GPU-8932f0", [SECOND]),
    ("gpu:3+cpu", [f"{FOURTH}+cpu"]),
    ("gpu:0+3+cpu", [f"{FIRST}+{FOURTH}+cpu"]),
    ("gpu:2,cpu/2", [THIRD, "cpu:0-7", "cpu:8-15"]),
])
def test_a_text_names_devices(machine, text, ids):
    host = machine("four-cards")
    found = host.devices(text)
    assert [device["device"] for device in found] == ids
    if len(ids) == 1:  # the id is a name, too
        assert host.devices(ids[0]) == found
        assert found[0]["with_cpu"] == ids[0].endswith("+cpu")


def test_a_group_has_the_cores_and_the_memory_of_all(machine):
    (group,) = machine("four-cards").devices("gpu:0+3")
    assert group["cards"] == [FIRST, FOURTH]
    assert group["cpus"] == [0, 1, 2, 3, 12, 13, 14, 15] and group["threads"] == 8
    assert group["memory_bytes"] == (24576 + 49140) * MIB


@pytest.mark.parametrize("name, text, words", [
    ("four-cards", "gpu:4", "the last is gpu:3"),
    ("four-cards", "pci:0000:99:00.0", "no such GPU"),
    ("four-cards", "GPU-8932f", f"that is {FIRST} as well as {SECOND}"),
    ("four-cards", "gpu:0,gpu:0+1", f"{FIRST} is named twice"),
    ("four-cards", f"gpu:0,{FIRST}", f"{FIRST} is named twice"),
    ("four-cards", f"{FIRST}+{FIRST}", f"{FIRST} is named twice"),
    ("four-cards", "gpu:0,gpu:0+cpu", f"{FIRST} is named twice"),
    ("one-broken", "gpu:2", "cannot be used: it is disabled"),
    ("mixed", "gpu:1+2", "different makers"),
    ("mig", "gpu:0+1", "one MIG instance at most"),
    ("mig", "pci:0000:51:00.0", "it is in MIG mode and has no instance"),
])
def test_what_cannot_be_is_refused(machine, name, text, words):
    status, lines, said = machine(name).worker("--list", "devices", text)
    assert status == 2 and lines == []
    assert words in said


def test_broken_cards_hurt_no_other(machine):
    host = machine("one-broken")
    assert faults(host.cards()) == {
        "pci:0000:01:00.0": None,
        "pci:0000:02:00.0": "the driver does not answer for it: GPU is lost (NVML error 15)",
        "pci:0000:03:00.0": "it is disabled: no driver has it",
        "pci:0000:04:00.0": "the driver cannot use it: Unknown Error (NVML error 999)"}
    status, devices, said = host.worker("--list", "devices")
    assert status == 0 and [device["device"] for device in devices] == ["pci:0000:01:00.0"]
    assert devices[0]["cpus"] == list(range(8))
    assert said.count("leave out") == 3


@pytest.mark.parametrize("key, value, words", [
    ("fail", "nvmlInit_v2 9", "Driver Not Loaded (NVML error 9)"),
    ("fail", "nvmlInit_v2 18", "Driver/library version mismatch"),
    ("fail", "nvmlDeviceGetCount_v2 999", "Unknown Error"),
    ("library", "bare", "libnvidia-ml.so.1 has no nvmlDeviceGetCount_v2"),
    ("nvml-count", "4000000", "it speaks of 4000000 cards"),
])
def test_a_driver_that_does_not_work_is_told_of(machine, key, value, words):
    host = machine("four-cards").set(None, key, value)
    trouble, *cards = host.cards()
    assert words in trouble["trouble"]
    assert len(cards) == 4
    assert all(f"the driver does not work: {words}" in card["fault"] for card in cards)
    assert all(card["types"] == [] for card in cards)
    assert [device["device"] for device in host.devices()] == ["cpu:0-15"]


def test_a_driver_that_shows_no_card_is_told_of(machine):
    host = machine("hot").set("0000:01:00.0", "nvml", "none").set("0000:41:00.0", "nvml", "none")
    assert set(faults(host.cards()).values()) == {
        "the driver shows no card; the kernel's log may say why"}
    host.set("0000:41:00.0", "nvml", "0").set("0000:41:00.0", "hidden", "yes")
    assert host.cards() == []


def test_without_a_driver_the_cards_are_there_and_of_no_use(machine):
    host = machine("no-driver")
    assert list(faults(host.cards()).values()) == [
        "NVIDIA's driver is not installed: there is no libnvidia-ml.so.1",
        "the driver nouveau has it, not nvidia"]
    assert [device["device"] for device in host.devices()] == ["cpu:0-7"]


@pytest.mark.parametrize("function", ["nvmlInit_v2", "nvmlDeviceGetName"])
def test_a_driver_that_hangs_is_left_behind(machine, function):
    host = machine("four-cards").set(None, "hang", function)
    begun = time.monotonic()
    trouble, *cards = host.cards(DBLEND_DRIVER_PATIENCE="1")
    assert time.monotonic() - begun < 15
    assert trouble["trouble"] == "NVIDIA's driver has not answered for 1 s"
    assert len(cards) == 4 and all("has not answered" in card["fault"] for card in cards)


def test_an_old_driver_tells_what_it_can(machine):
    cards = machine("mig").set(None, "library", "old").cards()
    assert [card["device"] for card in cards] == [
        "pci:0000:0f:00.0", "pci:0000:47:00.0", "pci:0000:51:00.0"]
    assert all(card["fault"] is None for card in cards)


def test_mig_instances_are_devices_of_their_own(machine):
    host = machine("mig")
    cards = host.cards()
    assert [card["device"] for card in cards] == [*MIGS, "pci:0000:47:00.0", "pci:0000:51:00.0"]
    assert [card["mig"] for card in cards] == [True, True, True, False, False]
    assert {card["pci"] for card in cards[:3]} == {"0000:0f:00.0"}
    assert [card["memory_bytes"] // MIB for card in cards[:3]] == [19968, 9728, 40192]
    assert cards[0]["name"] == "NVIDIA A100-SXM4-80GB MIG 2g.20gb"
    assert [device["device"] for device in host.devices()] == [*MIGS, "pci:0000:47:00.0"]
    assert host.devices("MIG-5a5c")[0]["cards"] == [MIGS[1]]


def test_one_instance_does_not_stand_for_its_card(machine):
    host = machine("mig")
    host.set("0000:0f:00.0", "instance", f"{MIGS[0]} 19968 0 NVIDIA A100 MIG 2g.20gb")
    status, _, said = host.worker("--list", "devices", "pci:0000:0f:00.0")
    assert status == 2 and f"name its instance, {MIGS[0]}" in said


@pytest.mark.parametrize("value, ids", [
    ("", []), ("NoDevFiles", []), ("-1", []),
    ("0", [FIRST]), ("3,1", [SECOND, FOURTH]), ("0, 2", [FIRST, THIRD]),
    ("0,2,-1,1", [FIRST, THIRD]), ("1,9,0", [SECOND]),
    ("GPU-1b2c3d4e-5a3c-4e1d-9b70-00001b2c3d4e", [THIRD]), ("GPU-cafe", [FOURTH]),
    ("GPU-8932f", []), ("GPU-8932f9,GPU-nothing,0", [FIRST]), ("GPU-", []),
])
def test_what_a_cluster_manager_leaves_us_is_all_there_is(machine, value, ids):
    host = machine("four-cards")
    assert host.ids(CUDA_VISIBLE_DEVICES=value) == ids
    cpu_only = [device["device"] for device in host.devices(CUDA_VISIBLE_DEVICES=value)]
    assert cpu_only == (ids or ["cpu:0-15"])


def test_numbers_do_not_count_what_no_driver_serves(machine):
    host = machine("four-cards").set("0000:17:00.0", "driver", "none")
    host.set("0000:17:00.0", "nvml", "none").set("0000:ca:00.0", "nvml", "2")
    host.set("0000:b1:00.0", "nvml", "1")
    assert host.ids() == [FIRST, SECOND, THIRD, FOURTH]
    assert host.ids(CUDA_VISIBLE_DEVICES="0") == [SECOND]
    host = machine("amd").set("0000:03:00.0", "driver", "vfio-pci")
    assert host.ids(HIP_VISIBLE_DEVICES="0") == ["pci:0000:83:00.0"]


def test_numbers_are_those_of_what_is_left(machine):
    (device,) = machine("four-cards").devices("gpu:0", CUDA_VISIBLE_DEVICES="GPU-cafe")
    assert device["device"] == FOURTH


@pytest.mark.parametrize("value, ids", [
    (MIGS[1], [MIGS[1]]), ("MIG-c6d4", [MIGS[2]]), ("0", list(MIGS)),
    ("GPU-a1000001", list(MIGS)), ("GPU-a1000002", ["pci:0000:47:00.0"]),
    ("1", ["pci:0000:47:00.0"]), ("MIG-", []), (f"{MIGS[0]},GPU-a1000002",
                                               [MIGS[0], "pci:0000:47:00.0"]),
])
def test_mig_names_are_understood_in_the_environment(machine, value, ids):
    assert machine("mig").ids(CUDA_VISIBLE_DEVICES=value) == ids


def test_a_container_shows_some_cards_only(machine):
    host = machine("four-cards").set("0000:17:00.0", "hidden", "yes")
    assert host.ids() == [SECOND, THIRD, FOURTH]
    assert host.ids(CUDA_VISIBLE_DEVICES="0") == [SECOND]  # it counts what it sees
    host.set("0000:31:00.0", "nvml", "none").set("0000:b1:00.0", "nvml", "1")
    host.set("0000:ca:00.0", "nvml", "0")
    assert host.ids() == [THIRD, FOURTH]


@pytest.mark.parametrize("name, variables, ids", [
    ("amd", {"ROCR_VISIBLE_DEVICES": "1"}, ["pci:0000:83:00.0"]),
    ("amd", {"ROCR_VISIBLE_DEVICES": "GPU-8c1f5a2e9d3b7041"}, ["pci:0000:03:00.0"]),
    ("amd", {"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"}, ["pci:0000:83:00.0"]),
    ("amd", {"CUDA_VISIBLE_DEVICES": "0"}, ["pci:0000:03:00.0"]),
    ("amd", {"HIP_VISIBLE_DEVICES": ""}, []),
    ("intel", {"ZE_AFFINITY_MASK": "0"}, ["pci:0000:03:00.0"]),
    ("intel", {"ZE_AFFINITY_MASK": "1.0"}, ["pci:0000:00:02.0"]),
    ("intel", {"ONEAPI_DEVICE_SELECTOR": "opencl:gpu;level_zero:0"}, ["pci:0000:03:00.0"]),
    ("intel", {"ONEAPI_DEVICE_SELECTOR": "opencl:*"}, []),
    ("intel", {"ONEAPI_DEVICE_SELECTOR": "*:gpu"}, ["pci:0000:00:02.0", "pci:0000:03:00.0"]),
    ("mixed", {"CUDA_VISIBLE_DEVICES": ""}, ["pci:0000:03:00.0", "pci:0000:65:00.0"]),
])
def test_the_other_makers_have_their_variables(machine, name, variables, ids):
    assert machine(name).ids(**variables) == ids


def test_amd_is_seen_through_the_kernel(machine):
    first, second = machine("amd").cards()
    assert first["name"] == "Radeon RX 7900 XTX" and first["uuid"] == "GPU-8c1f5a2e9d3b7041"
    assert first["memory_bytes"] == 24560 * MIB and first["types"] == ["HIP"]
    assert (first["display"], second["display"]) == (True, False)
    assert (first["numa"], second["numa"]) == (0, 1)


@pytest.mark.parametrize("driver, fault", [
    ("none", "it is disabled: no driver has it"),
    ("vfio-pci", "the driver vfio-pci has it, not amdgpu"),
])
def test_a_card_that_another_driver_has_is_of_no_use(machine, driver, fault):
    first, second = machine("amd").set("0000:03:00.0", "driver", driver).cards()
    assert first["fault"] == fault and first["types"] == []
    assert second["fault"] is None


def test_a_card_whose_node_is_not_there_was_not_given_to_us(machine):
    assert machine("amd").set("0000:03:00.0", "hidden", "yes").ids() == ["pci:0000:83:00.0"]


def as_ordinary(*words):
    """The command, which root's rights do not help to open what others may not."""
    if os.geteuid() != 0:
        return words
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search",
            "--inh-caps=-dac_override,-dac_read_search", *words)


@pytest.mark.parametrize("name, card", [("amd", "0000:83:00.0"), ("intel", "0000:03:00.0")])
def test_who_may_not_open_a_card_is_told_what_to_do(machine, name, card):
    done = machine(name).run("sh", "-c", 'chmod 0 "$HWLOC_FSROOT"/dev/dri/renderD129; exec "$@"',
                             "sh", *as_ordinary(BIN / "dblend-worker", "--list", "cards"))
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["fault"] is None
    assert second["pci"] == card and second["types"] == []
    group = grp.getgrgid(os.getegid()).gr_name
    assert second["fault"].startswith("you may not open ")
    assert second["fault"].endswith(
        f"/dev/dri/renderD129: `sudo usermod -aG {group} $USER', then log in again")


def test_a_card_without_a_node_is_of_no_use(machine):
    done = machine("amd").run(
        "sh", "-c", 'rm -r "$HWLOC_FSROOT"/sys/bus/pci/devices/0000:83:00.0/drm; exec "$@"', "sh",
        BIN / "dblend-worker", "--list", "cards")
    assert [json.loads(line)["fault"] for line in done.stdout.splitlines()] == [
        None, "its driver has made no /dev/dri node for it"]


def put_drm(proc, fd, card, mib, client):
    """A descriptor of a process on a card, as the kernel's DRM tells of it; proc: its folder."""
    for part in ("fd", "fdinfo"):
        (proc / part).mkdir(parents=True, exist_ok=True)
    (proc / "fd" / str(fd)).symlink_to("/dev/dri/renderD128")
    (proc / "fdinfo" / str(fd)).write_text(
        f"drm-driver:\tamdgpu\ndrm-pdev:\t{card}\ndrm-client-id:\t{client}\n"
        f"drm-memory-vram:\t{mib * 1024} KiB\n")


@pytest.mark.parametrize("name, cards", [("amd", ["0000:03:00.0", "0000:83:00.0"]),
                                         ("intel", ["0000:00:02.0", "0000:03:00.0"])])
def test_who_is_on_a_card_of_amd_or_intel(machine, tmp_path, name, cards):
    """The kernel's own words of each process, below the root that stands for it."""
    script = tmp_path / "ask.py"
    script.write_text(f"""
import os, pathlib, subprocess, sys
sys.path.insert(0, {str(HERE)!r})
from test_cards import put_drm
proc = pathlib.Path(os.environ["HWLOC_FSROOT"]) / "proc"
put_drm(proc / "4711", 5, {cards[0]!r}, 2048, 7)
put_drm(proc / "4711", 6, {cards[1]!r}, 12, 8)
put_drm(proc / "815", 3, {cards[1]!r}, 300, 9)
probe = subprocess.Popen([{str(PROBE)!r}], text=True, stdin=-1, stdout=-1)
print(*probe.communicate("processes 0\\nprocesses 1\\n")[0].splitlines(), sep="\\n")
""")
    done = machine(name).run("/usr/bin/python3", script)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["rc"] for answer in answers] == [0, 0], done.stderr
    assert [sorted(one[:2] for one in answer["processes"]) for answer in answers] == [
        [[4711, 2048 * MIB]], [[815, 300 * MIB], [4711, 12 * MIB]]]


def test_the_graphics_of_the_processor_come_last(machine):
    host = machine("intel")
    chip, card = host.cards()
    assert chip["integrated"] and not card["integrated"]
    assert chip["memory_bytes"] is None and card["memory_bytes"] == 16384 * MIB
    assert [device["device"] for device in host.devices()] == ["pci:0000:03:00.0"]
    assert host.devices("gpu:0")[0]["device"] == "pci:0000:00:02.0"
    host.set("0000:03:00.0", "driver", "none")
    assert [device["device"] for device in host.devices("gpu")] == ["pci:0000:00:02.0"]
    assert [device["device"] for device in host.devices()] == ["cpu:0-7"]


@pytest.mark.parametrize("values", [{}, {"metrics": 2}, {"metrics": 0, "memory": 512}])
def test_the_graphics_of_a_processor_of_amd_share_its_memory(machine, values):
    host = machine("apu")
    for key, value in values.items():
        host.set("0000:c4:00.0", key, value)
    card, chip = host.cards()
    assert (card["integrated"], card["memory_bytes"]) == (False, 24560 * MIB)
    assert (chip["integrated"], chip["memory_bytes"], chip["display"]) == (True, None, True)
    assert [device["device"] for device in host.devices()] == ["pci:0000:03:00.0"]
    shown = host.run(BIN / "dblend", "devices").stdout.splitlines()
    assert "24.0 GiB" in shown[1] and " shared " in shown[2]


@pytest.mark.parametrize("values", [{"metrics": 1, "memory": 512}, {"metrics": 0, "memory": 4096}])
def test_a_card_of_amd_is_no_chip_for_its_size(machine, values):
    host = machine("apu")
    for key, value in values.items():
        host.set("0000:c4:00.0", key, value)
    assert [card["integrated"] for card in host.cards()] == [False, False]


def test_a_chip_has_in_use_what_was_set_aside_and_what_it_shares(probed):
    told = probed("apu").ask("sample 1")
    assert (told["used"], told["total"]) == ((256 + 1024) * MIB, -1)


def test_what_a_driver_says_is_not_trusted(machine):
    host = machine("four-cards")
    host.set("0000:17:00.0", "name", "\x1b[31mred\x07 \xe9")
    host.set("0000:31:00.0", "name", "x" * 95)  # no room for its end
    host.set("0000:b1:00.0", "uuid", "GPU-0,1;rm -rf")
    host.set("0000:ca:00.0", "uuid", "0")
    names = [card["name"] for card in host.cards()]
    assert names[0] == "?[31mred? ??" and names[1] in ("x" * 95, "NVIDIA GPU 10de:2230")
    assert list(faults(host.cards()).values()) == [
        None, None, "the driver tells no UUID for it", "the driver tells no UUID for it"]


def test_a_card_too_old_for_cycles_says_so(machine):
    host = machine("four-cards").set("0000:17:00.0", "capability", "2.1")
    host.set("0000:31:00.0", "capability", "3.5").set("0000:b1:00.0", "capability", "0.0")
    cards = host.cards()
    assert cards[0]["fault"] == "too old for Cycles: compute capability 2.1"
    assert [card["types"] for card in cards] == [[], ["CUDA"], ["OPTIX", "CUDA"], ["OPTIX", "CUDA"]]


def test_samples_follow_the_card(probed):
    host = probed("hot")
    assert host.ask("sample 0") == {"rc": 0, "used": 30000 * MIB, "total": 49140 * MIB, "load": 99,
                                    "temperature": 91, "power": 298000}
    host.set("0000:01:00.0", "temperature", "55").set("0000:01:00.0", "used", "700")
    now = host.ask("sample 0")
    assert (now["temperature"], now["used"]) == (55, 700 * MIB)
    assert host.ask("sample 1")["temperature"] == 38
    host.set("0000:01:00.0", "temperature", "4000").set("0000:01:00.0", "used", "50000000")
    host.set("0000:01:00.0", "load", "101")
    now = host.ask("sample 0")
    assert (now["rc"], now["temperature"], now["used"], now["load"]) == (0, -1, -1, -1)


@pytest.mark.parametrize("device, status, words", [
    ("gpu:1", 5, "cannot be used: the driver does not answer for it"),
    ("pci:0000:99:00.0", 5, "there is no such GPU"),
    ("gpu:0+0+", 2, "needs GPU numbers"),
])
def test_a_worker_says_whether_its_card_may_come_back(machine, device, status, words):
    ended, _, said = machine("one-broken").worker("--device", device)
    assert ended == status and words in said


def test_an_old_driver_has_samples_too(probed):
    assert probed("hot", (None, "library", "old")).ask("sample 0")["temperature"] == 91


def test_an_instance_has_its_memory_and_the_heat_of_its_card(probed):
    host = probed("mig", ("0000:0f:00.0", "temperature", "66"))
    assert host.ask("sample 2") == {"rc": 0, "used": 37 * MIB, "total": 40192 * MIB, "load": -1,
                                    "temperature": 66, "power": -1}


def test_a_card_that_is_lost_is_gone(probed):
    host = probed("card-lost", ("0000:41:00.0", "lost", "no"))
    assert host.ask("sample 1")["rc"] == 0
    host.set("0000:41:00.0", "lost", "yes")
    assert host.ask("sample 1")["rc"] == ENODEV
    assert host.ask("processes 1")["rc"] == ENODEV
    assert host.ask("sample 0")["rc"] == 0


@pytest.mark.parametrize("library, size", [("full", 24), ("full", 32), ("full", 16), ("old", 16)])
def test_processes_are_read_whatever_their_length(probed, library, size):
    host = probed("four-cards", (None, "library", library), (None, "process-bytes", size),
                  ("0000:31:00.0", "process", "4711 2048 compute\nprocess = 815 12 compute\n"
                                              "process = 99 300 graphics"))
    answer = host.ask("processes 1")
    assert answer == {"rc": 0, "processes": [[4711, 2048 * MIB, False], [815, 12 * MIB, False],
                                             [99, 300 * MIB, True]]}
    assert host.ask("processes 0") == {"rc": 0, "processes": []}


def test_an_instance_tells_of_its_own_processes(probed):
    host = probed("mig", ("0000:0f:00.0", "process", "11 5 compute 0\nprocess = 12 6 compute 1"))
    assert host.ask("processes 2")["processes"] == [[11, 5 * MIB, False]]
    assert host.ask("processes 0")["processes"] == [[12, 6 * MIB, False]]


def test_a_call_that_hangs_costs_one_wait(probed):
    host = probed("four-cards", DBLEND_DRIVER_PATIENCE="1")
    assert host.ask("sample 0")["rc"] == 0
    host.set(None, "hang", "nvmlDeviceGetUtilizationRates")
    assert host.ask("sample 0")["rc"] == ETIMEDOUT
    begun = time.monotonic()
    for _ in range(20):
        assert host.ask("sample 1")["rc"] == ETIMEDOUT
        assert host.ask("processes 1")["rc"] == ETIMEDOUT
    assert time.monotonic() - begun < 10


def test_amd_has_samples_until_it_is_gone(machine, tmp_path):
    script = tmp_path / "gone.py"
    host = machine("amd")
    root = "os.environ['HWLOC_FSROOT'] + '/sys/bus/pci/devices/0000:83:00.0'"
    script.write_text(
        "import os, shutil, subprocess\n"
        f"probe = subprocess.Popen([{str(PROBE)!r}], text=True, stdin=-1, stdout=-1)\n"
        "def ask(text):\n"
        "    probe.stdin.write(text + '\\n'); probe.stdin.flush()\n"
        "    print(probe.stdout.readline().strip(), flush=True)\n"
        f"ask('sample 1'); shutil.rmtree({root}); ask('sample 1'); ask('sample 0')\n")
    done = host.run("/usr/bin/python3", script)
    before, after, other = (json.loads(line) for line in done.stdout.splitlines())
    assert before == {"rc": 0, "used": 512 * MIB, "total": 49136 * MIB, "load": 0,
                      "temperature": 71, "power": 22000}
    assert after["rc"] == ENODEV and other["rc"] == 0


def test_the_worker_that_has_a_card_is_named(machine):
    host = machine("four-cards")
    assert host.cards()[1]["worker"] is None
    lock = host.home / "run" / f"device-{SECOND}.lock"
    with lock.open("w") as file:
        file.write(json.dumps({"name": f"host/{SECOND}", "kind": "gpu", "cpus": []}))
        file.flush()
        fcntl.lockf(file, fcntl.LOCK_EX)
        cards = host.cards()
        assert [card["worker"] for card in cards] == [None, f"host/{SECOND}", None, None]
        assert cards[1]["pid"] == os.getpid()
    assert host.cards()[1]["worker"] is None
    shutil.rmtree(host.home)


def test_dblend_devices_is_for_people_and_programs(machine):
    host = machine("one-broken")
    done = host.run(BIN / "dblend", "devices")
    assert done.returncode == 0, done.stderr
    head, first, lost, *_ = done.stdout.splitlines()
    assert head.split() == ["GPU", "ID", "NAME", "MEMORY", "NODE", "DISPLAY", "CYCLES", "WORKER"]
    assert first.split("  ")[:2] == ["gpu:0", "pci:0000:01:00.0"]
    assert "48.0 GiB" in first and "OPTIX, CUDA" in first
    assert lost.startswith("gpu:1  pci:0000:02:00.0") and "cannot be used: the driver" in lost
    done = host.run(BIN / "dblend", "devices", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(line)[0] for line in lines] == ["type"] * 4
    assert lines[0]["device"] == "pci:0000:01:00.0" and lines[0]["numa"] == 0


def test_dblend_devices_tells_what_is_wrong(machine):
    done = machine("four-cards").set(None, "fail", "nvmlInit_v2 9").run(BIN / "dblend", "devices")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 5
    assert done.stderr == ("dblend: NVIDIA's driver does not work: Driver Not Loaded "
                           "(NVML error 9)\n")
    done = machine("no-gpu").run(BIN / "dblend", "devices")
    assert (done.returncode, done.stdout) == (0, "") and "no GPU is here" in done.stderr
    done = machine("no-gpu").run(BIN / "dblend", "devices", "x")
    assert done.returncode == 2 and "devices takes no argument" in done.stderr
