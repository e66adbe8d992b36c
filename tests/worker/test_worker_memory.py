"""What a worker measures, on described machines (tests/fake-gpu): telemetry, heat, peaks, holders."""

import os
import time

import pytest

from gpumachine import Machine

GIB = 2 ** 30
MIB = 2 ** 20
HOT = "0000:01:00.0"
COOL = "0000:41:00.0"


@pytest.fixture
def machine(home):
    """The machine `hot`, whose file a test may change."""
    folder = home / "described"
    folder.mkdir()
    return Machine(folder, "hot")


def telemetry(broker):
    return broker.last.get("telemetry", {})


@pytest.mark.one_card
def test_ready_says_what_the_card_is(broker, on_machine, machine):
    on_machine(machine.file, "--device", f"pci:{COOL}")
    broker.until(lambda: broker.ready)
    ready, = broker.ready
    assert ready["memory_bytes"] == 49140 * MIB
    assert ready["device_types"] == ["OPTIX", "CUDA"]
    assert ready["device_name"] == "GPU 1 (NVIDIA RTX A6000)"


def test_a_group_has_the_memory_of_its_smallest_card(broker, on_machine):
    on_machine("four-cards", "--device", "gpu:1+2")
    broker.until(lambda: broker.ready)
    assert broker.ready[0]["memory_bytes"] == 24564 * MIB
    assert broker.ready[0]["device_name"].startswith("GPU 1+2 (")


def test_a_worker_of_cores_says_nothing_of_cards(broker, start_stand_in):
    start_stand_in()
    broker.until(lambda: "host_available_bytes" in telemetry(broker))
    assert not {"memory_bytes", "device_types", "device_name"} & set(broker.ready[0])
    assert not [key for key in telemetry(broker) if key.startswith("gpu")]
    assert telemetry(broker)["host_available_bytes"] > 0


@pytest.mark.one_card
def test_what_the_card_does_is_told(broker, on_machine, machine):
    on_machine(machine.file, "--device", f"pci:{HOT}")
    broker.until(lambda: "gpu_load_percent" in telemetry(broker))
    told = telemetry(broker)
    assert told["gpu_load_percent"] == 99 and told["gpu_temperature_c"] == 91
    assert told["gpu_memory_used_bytes"] == 30000 * MIB
    assert told["gpu_memory_total_bytes"] == 49140 * MIB
    assert told["gpu_power_mw"] == 298000
    machine.set(HOT, "temperature", 60)
    broker.until(lambda: telemetry(broker).get("gpu_temperature_c") == 60)
    assert "rest" not in broker.last  # nobody said how hot it may be


@pytest.mark.one_card
def test_a_card_that_is_too_hot_rests_until_it_is_ten_degrees_cooler(broker, on_machine, machine):
    worker = on_machine(machine.file, "--device", f"pci:{HOT}", "--max-temperature", "85")
    broker.until(lambda: broker.last.get("rest"))
    assert broker.last["rest"]["code"] == "too-hot"
    assert broker.last["rest"]["text"] == \
        "its card has 91 C, more than 85; it rests until 75 C"
    machine.set(HOT, "temperature", 80)
    broker.until(lambda: telemetry(broker).get("gpu_temperature_c") == 80)
    assert broker.last["rest"]["text"].startswith("its card has 80 C")
    machine.set(HOT, "temperature", 75)
    broker.until(lambda: "rest" not in broker.last)
    assert "rest: its card has 91 C" in worker.told() and "has cooled" in worker.told()


@pytest.mark.one_card
def test_a_card_that_is_lost_tells_nothing_any_more(broker, on_machine, machine):
    on_machine(machine.file, "--device", f"pci:{COOL}")
    broker.until(lambda: "gpu_load_percent" in telemetry(broker))
    machine.set(COOL, "lost", "yes")
    broker.until(lambda: "gpu_load_percent" not in telemetry(broker))
    assert "host_available_bytes" in telemetry(broker)


def test_the_peaks_of_a_frame_are_reported(broker, on_machine, machine, faults, job):
    """Of our own process, not of what else is on the card; each frame has its own."""
    faults("slow-1", "slow-2")
    on_machine(machine.file, "--device", f"pci:{HOT}")
    broker.job = job
    claim, following = broker.frames(1, 2)
    broker.until(lambda: faults.lines("slow"))
    pid = faults.starts()[-1]["pid"]
    machine.set(HOT, "process", f"{pid} 20480 compute")
    broker.until(lambda: telemetry(broker).get("gpu_memory_used_bytes") == 30000 * MIB)
    machine.set(HOT, "used", 30001)  # seen, and so is what was written before
    broker.until(lambda: telemetry(broker).get("gpu_memory_used_bytes") == 30001 * MIB)
    machine.set(HOT, "process", f"{pid} 5000 compute")  # it gives some back: the peak stays
    machine.set(HOT, "used", 30003)
    broker.until(lambda: telemetry(broker).get("gpu_memory_used_bytes") == 30003 * MIB)
    (faults.path / "go-1").write_text("")
    broker.until(lambda: broker.ended(claim))
    report = broker.report(claim, "finished")
    assert report["gpu_peak_bytes"] == 20480 * MIB
    assert MIB < report["rss_peak_bytes"] < GIB
    broker.until(lambda: len(faults.lines("slow")) == 2)
    machine.set(HOT, "used", 30002)
    broker.until(lambda: telemetry(broker).get("gpu_memory_used_bytes") == 30002 * MIB)
    (faults.path / "go-2").write_text("")
    broker.until(lambda: broker.ended(following))
    assert broker.report(following, "finished")["gpu_peak_bytes"] == 5000 * MIB


def test_a_card_that_works_is_a_sign_of_life(broker, on_machine, machine, faults, job):
    """Blender waits for its card: no line, no processor time. Hung is what the card does not do."""
    faults("hang-1")
    on_machine(machine.file, "--device", f"pci:{HOT}", "--stall", "2")
    broker.job = job
    claim, = broker.frames(1)
    broker.until(lambda: "started" in broker.of(claim))
    pid = faults.starts()[-1]["pid"]
    machine.set(HOT, "process", f"{pid} 20480 compute")
    begun = time.monotonic()
    broker.until(lambda: time.monotonic() - begun > 6)
    assert not broker.ended(claim), "its card has 99 % of load"
    machine.set(HOT, "load", 0)
    broker.until(lambda: broker.ended(claim))
    assert broker.report(claim, "error")["code"] == "stalled"


def test_a_card_that_works_for_others_is_none(broker, on_machine, machine, faults, job):
    """The card is busy and our Blender on it, but the driver says who keeps it busy."""
    faults("hang-1")
    worker = on_machine(machine.file, "--device", f"pci:{HOT}", "--stall", "2")
    broker.job = job
    claim, = broker.frames(1)
    broker.until(lambda: "started" in broker.of(claim))
    pid = faults.starts()[-1]["pid"]
    machine.set(HOT, "process", f"{pid} 20480 compute\nprocess = {os.getpid()} 9000 compute")
    machine.set(HOT, "busy", f"{os.getpid()} 70\nbusy = {pid} 29")
    begun = time.monotonic()
    broker.until(lambda: time.monotonic() - begun > 6)
    assert not broker.ended(claim), worker.told()
    machine.set(HOT, "busy", f"{os.getpid()} 99")
    broker.until(lambda: broker.ended(claim))
    assert broker.report(claim, "error")["code"] == "stalled"
    assert telemetry(broker)["gpu_load_percent"] == 99, "what is told is the card's"


def test_the_load_of_another_program_is_none(broker, on_machine, machine, faults, job):
    """This very process stands for it: the card is busy with that, and ours hangs."""
    machine.set(HOT, "process", f"{os.getpid()} 10240 compute")
    faults("hang-1")
    on_machine(machine.file, "--device", f"pci:{HOT}", "--stall", "1")
    broker.job = job
    claim, = broker.frames(1)
    broker.until(lambda: broker.ended(claim))
    assert broker.report(claim, "error")["code"] == "stalled"


def test_that_a_card_is_too_hot_is_told_at_once(broker, on_machine, machine):
    """Not with the next heartbeat: until then there might be more frames."""
    machine.set(HOT, "temperature", 40)
    broker.park_ms = 60000
    on_machine(machine.file, "--device", f"pci:{HOT}", "--max-temperature", "85")
    broker.until(lambda: broker.syncs and broker.parked)
    machine.set(HOT, "temperature", 91)
    broker.until(lambda: broker.last.get("rest"), timeout=20.0)


def test_where_no_driver_says_what_is_ours_the_card_does(broker, on_machine, machine, faults, job):
    faults("slow-1")
    on_machine(machine.file, "--device", f"pci:{COOL}")
    broker.job = job
    claim, = broker.frames(1)
    broker.until(lambda: faults.lines("slow"))
    machine.set(COOL, "used", 7000)
    broker.until(lambda: telemetry(broker).get("gpu_memory_used_bytes") == 7000 * MIB)
    (faults.path / "go-1").write_text("")
    broker.until(lambda: broker.ended(claim))
    assert broker.report(claim, "finished")["gpu_peak_bytes"] == 7000 * MIB


def test_who_holds_the_memory_of_the_card_is_named(broker, on_machine, machine, faults, job):
    """This very process stands for the other program."""
    faults("gpu-memory-1")
    machine.set(COOL, "process", f"{os.getpid()} 10240 graphics").set(COOL, "used", 10240)
    on_machine(machine.file, "--device", f"pci:{COOL}")
    broker.until(lambda: telemetry(broker).get("gpu_memory_used_bytes") == 10240 * MIB)
    broker.job = job
    claim, = broker.frames(1)
    broker.until(lambda: broker.ended(claim))
    error = broker.report(claim, "error")
    with open("/proc/self/comm", encoding="utf-8") as comm:
        name = comm.read().strip()
    assert error["code"] == "out-of-gpu-memory"
    assert error["held_by"] == f"{name} ({os.getpid()}) holds 10.0 GiB"
    assert error["gpu_had_bytes"] == (49140 - 10240) * MIB


@pytest.mark.one_card
def test_a_frame_that_ran_out_is_rendered_in_a_fresh_blender(broker, on_machine, machine, faults,
                                                             job):
    on_machine(machine.file, "--device", f"pci:{COOL}")
    broker.job = job
    first, = broker.frames(1)
    broker.until(lambda: broker.ended(first))
    again = broker.give(frame=2, fresh=True)
    broker.until(lambda: broker.ended(again))
    assert broker.of(again) == ["started", "finished"]
    assert len(faults.starts()) == 2
    opened = [command for command in faults.commands() if command["do"] == "open"]
    assert [command.get("fresh", False) for command in opened] == [False, True]
