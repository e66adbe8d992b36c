"""Workers of GPUs on described machines: the environment, the choice inside Blender, and both ends.

The orders of NVML, CUDA and Cycles differ there, and none is that of the bus.
"""

import json

import pytest

from described_cycles import TESTS, cards_of

FOUR = "four-cards"


def render_one(broker, job, frame=1, **options):
    """One frame; its claim, which has ended."""
    broker.job = {**job, "options": options}
    claim, = broker.frames(frame)
    broker.until(lambda: broker.ended(claim))
    return claim


def used(faults):
    return [json.loads(line) for line in faults.lines("used-devices")]


@pytest.mark.one_card
@pytest.mark.parametrize("index", range(4))
def test_each_of_four_cards(broker, on_machine, faults, job, index):
    card = cards_of(FOUR)[index]
    worker = on_machine(FOUR, "--device", f"gpu:{index}")
    claim = render_one(broker, job)
    assert broker.of(claim) == ["started", "finished"], worker.told()
    assert broker.ready[0]["device"] == "pci:" + card["pci"]
    assert broker.ready[0]["device_kind"] == "gpu"
    assert broker.ready[0]["draws_shared"] is True  # NVIDIA's OpenGL cannot be told a card
    env = faults.starts()[0]["env"]
    assert env["CUDA_VISIBLE_DEVICES"] == card["uuid"]
    assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert env["HIP_VISIBLE_DEVICES"] == "-1"
    said, = used(faults)
    assert said["type"] == "OPTIX"
    place = card["pci"].rpartition(".")[0]
    assert [one["pci"] for one in said["used"]] == [place]
    assert said["listed"] == [f"CUDA_{card['name']}_{place}", f"CUDA_{card['name']}_{place}_OptiX"]
    assert f"cycles uses OPTIX (CUDA_{card['name']}_{place}_OptiX)" in worker.told()


@pytest.mark.one_card
@pytest.mark.parametrize("index", [0, 5, 7])
def test_of_eight_equal_cards_the_one_that_was_meant(broker, on_machine, faults, job, index):
    card = cards_of("eight-equal")[index]
    on_machine("eight-equal", "--device", "pci:" + card["pci"])
    render_one(broker, job)
    said, = used(faults)
    assert said["used"][0]["pci"] == card["pci"].rpartition(".")[0]
    assert faults.starts()[0]["env"]["CUDA_VISIBLE_DEVICES"] == card["uuid"]


def test_a_group_renders_on_all_of_its_cards(broker, on_machine, faults, job):
    cards = cards_of(FOUR)
    on_machine(FOUR, "--device", "gpu:1+3")
    claim = render_one(broker, job)
    assert broker.of(claim) == ["started", "finished"]
    assert faults.starts()[0]["env"]["CUDA_VISIBLE_DEVICES"] == \
        f"{cards[1]['uuid']},{cards[3]['uuid']}"
    said, = used(faults)
    assert sorted(one["pci"] for one in said["used"]) == ["0000:31:00", "0000:ca:00"]


def test_an_instance_of_a_card(broker, on_machine, faults, job):
    """All instances of a card have its address: the environment alone tells them apart."""
    _, uuid = cards_of("mig")[0]["instances"][1]
    on_machine("mig", "--device", uuid)
    claim = render_one(broker, job)
    assert broker.of(claim) == ["started", "finished"]
    assert broker.ready[0]["device"] == uuid
    assert faults.starts()[0]["env"]["CUDA_VISIBLE_DEVICES"] == uuid
    said, = used(faults)
    assert "MIG 2g.20gb" in said["used"][0]["id"]


@pytest.mark.parametrize("index, kind, name, value", [
    (0, "ONEAPI", "DRI_PRIME", "pci-0000_03_00_0"),
    (1, "HIP", "ROCR_VISIBLE_DEVICES", "GPU-8c1f5a2e9d3b7041"),
    (2, "OPTIX", "CUDA_VISIBLE_DEVICES", "GPU-31000001-5a3c-4e1d-9b70-000031000001")])
def test_a_card_of_each_maker(broker, on_machine, faults, job, index, kind, name, value):
    on_machine("mixed", "--device", f"gpu:{index}")
    claim = render_one(broker, job)
    assert broker.of(claim) == ["started", "finished"]
    said, = used(faults)
    assert said["type"] == kind and len(said["used"]) == 1
    assert all(one.startswith(said["used"][0]["id"].partition("_")[0]) for one in said["listed"])
    assert faults.starts()[0]["env"][name] == value
    assert broker.ready[0].get("draws_shared", False) == (kind == "OPTIX")


@pytest.mark.one_card
def test_what_a_cluster_manager_gave_is_all_there_is(broker, on_machine, faults, job):
    """Slurm counts by PCI address: card 2 of the machine is the only one, and our gpu:0."""
    card = cards_of(FOUR)[2]
    on_machine(FOUR, "--device", "gpu:0", CUDA_VISIBLE_DEVICES="2")
    render_one(broker, job)
    assert faults.starts()[0]["env"]["CUDA_VISIBLE_DEVICES"] == card["uuid"]
    assert used(faults)[0]["used"][0]["pci"] == card["pci"].rpartition(".")[0]


@pytest.mark.one_card
def test_the_types_that_worker_and_job_prefer(broker, on_machine, faults, job):
    on_machine(FOUR, "--device", "gpu:0", "--device-type", "cuda,optix")
    render_one(broker, job)
    assert used(faults)[-1]["type"] == "CUDA"
    render_one(broker, {**job, "job": 2}, 2, device_type="optix")
    assert used(faults)[-1]["type"] == "OPTIX"


@pytest.mark.one_card
def test_a_type_that_the_card_has_not_ends_the_worker(broker, on_machine):
    worker = on_machine(FOUR, "--device", "gpu:0", "--device-type", "hip")
    broker.until(worker.ended)
    assert worker.process.returncode == 2
    assert "none of these ways" in worker.told()


@pytest.mark.one_card
def test_a_wrong_type_is_a_wrong_argument(broker, on_machine):
    worker = on_machine(FOUR, "--device-type", "vulkan")
    broker.until(worker.ended)
    assert worker.process.returncode == 2 and "optix, cuda" in worker.told()


def test_gpu_and_cpu(broker, on_machine, faults, job):
    on_machine(FOUR, "--device", "gpu:0+cpu")
    claim = render_one(broker, job)
    assert broker.of(claim) == ["started", "finished"]
    assert [one["type"] for one in used(faults)[0]["used"]] == ["OPTIX", "CPU"]


def without_cycles(home, machine):
    """The machine, but Cycles lists none of its cards: a build without kernels, say."""
    path = home / "blind"
    text = (TESTS / "fake-gpu" / "machines" / machine).read_text()
    path.write_text("\n".join(line for line in text.splitlines()
                              if not line.startswith("cycles")))
    return str(path)


@pytest.mark.one_card
def test_a_card_that_cycles_does_not_list_renders_nothing(broker, on_machine, faults, job, home,
                                                          out):
    worker = on_machine(FOUR, "--device", "gpu:0", DBLEND_FAKE_GPU=without_cycles(home, FOUR))
    claim = render_one(broker, job)
    error = broker.report(claim, "error")
    assert error["code"] == "device-mismatch" and not error["fatal"]
    assert "0000:17:00.0" in error["text"] and "OPTIX: none" in error["text"]
    assert "device-mismatch" in worker.told()
    assert not out.exists() or list(out.iterdir()) == []


@pytest.mark.one_card
def test_on_the_cpu_only_when_the_job_allows_it(broker, on_machine, faults, job, home):
    on_machine(FOUR, "--device", "gpu:0", DBLEND_FAKE_GPU=without_cycles(home, FOUR))
    claim = render_one(broker, job, allow_cpu=True)
    finished = broker.report(claim, "finished")
    assert [one["code"] for one in finished["warnings"]] == ["on-cpu"]
    assert used(faults)[0]["type"] == "NONE"


@pytest.mark.one_card
@pytest.mark.parametrize("machine", [FOUR, "mixed"])
def test_a_cpu_worker_sees_no_card(broker, on_machine, faults, job, machine):
    on_machine(machine, "--device", "cpu")
    claim = render_one(broker, job)
    assert broker.of(claim) == ["started", "finished"]
    said, = used(faults)
    assert said["type"] == "NONE" and said["listed"] == []


# -- who is on which card while a frame renders, by NVML ----------------------------------------


@pytest.fixture
def seen(broker, on_machine, faults, job, home):
    """seen([card of the pid, ...]): the last report of a frame during which NVML shows that."""

    def run(*indexes):
        machine = home / "machine"
        text = (TESTS / "fake-gpu" / "machines" / FOUR).read_text()
        machine.write_text(text)
        faults("slow-1")
        worker = on_machine(str(machine), "--device", "gpu:1")
        broker.job = job
        claim, = broker.frames(1)
        broker.until(lambda: faults.lines("slow"))
        pid = faults.starts()[-1]["pid"]
        head, *parts = text.split("\n[")
        for index in indexes:
            parts[index] += f"process = {pid} 2048 compute\n"
        swap = home / "machine.new"
        swap.write_text("\n[".join([head, *parts]))
        swap.rename(machine)
        return worker, claim

    return run


def end_of(broker, faults, claim):
    faults("go-1")
    broker.until(lambda: broker.ended(claim))
    return broker.report(claim, "finished")


def test_a_blender_on_another_card_flags_its_frame(broker, faults, seen):
    worker, claim = seen(1, 3)
    broker.until(lambda: "blender is on another card" in worker.told())
    finished = end_of(broker, faults, claim)
    warning, = [one for one in finished["warnings"] if one["code"] == "other-device"]
    assert "pci:0000:ca:00.0" in warning["text"] and "pci:0000:31:00.0" in warning["text"]
    assert "pci:0000:ca:00.0" in worker.told()


def test_a_blender_on_its_own_card_flags_nothing(broker, faults, seen):
    _, claim = seen(1)
    broker.until(lambda: broker.last["telemetry"].get("gpu_load_percent") is not None
                 and broker.last["state"] == "rendering")
    seen_at = len(broker.syncs)
    broker.until(lambda: len(broker.syncs) > seen_at + 2, why="some looks have been")
    assert "warnings" not in end_of(broker, faults, claim)
