"""A Cycles that lists the devices of a described machine, and its preferences, for devices.py.

The texts are those of Cycles' own code; the order is not that of the bus, on purpose: CUDA's is the
fastest first.
"""

CPU = ("AMD EPYC 7543", "CPU", "CPU", False)


def cuda(name, place):
    return (name, "CUDA", f"CUDA_{name}_{place}", False)


def optix(name, place):
    return (name, "OPTIX", f"CUDA_{name}_{place}_OptiX", False)


def hip(name, place):
    return (name, "HIP", f"HIP_{name}_{place}", False, False)


def oneapi(name, place):
    end = f"_{place}" if place else ""
    return (name, "ONEAPI", f"ONEAPI_Intel(R) Level-Zero_{name}{end}", False, False, False)


class Cycles:
    """`_cycles`: rows by type; a type that this build has not heard of is a ValueError."""

    def __init__(self, **rows):
        self.rows = rows
        self.asked = []

    def available_devices(self, kind):
        self.asked.append(kind)
        if kind not in ("CPU", "CUDA", "OPTIX") and kind not in self.rows:
            raise ValueError('Device "%s" not known.' % kind)
        return tuple(self.rows.get(kind, ())) + (CPU,)


class Entry:
    id = name = type = ""
    use = False


class Entries(list):
    def add(self):
        self.append(Entry())
        self[-1].use = True
        return self[-1]


class Preferences:
    """Of Cycles' add-on, as a user left them: everything on."""

    def __init__(self, cycles, types=("NONE", "CUDA", "OPTIX", "HIP", "ONEAPI", "METAL")):
        self.devices = Entries()
        self._types = types
        self._type = "NONE"
        for rows in cycles.rows.values():
            for row in rows:
                entry = self.devices.add()
                entry.name, entry.type, entry.id = row[:3]

    @property
    def compute_device_type(self):
        return self._type

    @compute_device_type.setter
    def compute_device_type(self, kind):
        if kind not in self._types:
            raise TypeError("enum %r not found in %r" % (kind, self._types))
        self._type = kind

    def on(self):
        return sorted(entry.id for entry in self.devices if entry.use)


class Thing:
    def __init__(self, **values):
        self.__dict__.update(values)


def scene(engine="CYCLES", device="CPU", osl=False, compositor="GPU"):
    """A scene of Blender 4.2 or newer."""
    return Thing(render=Thing(engine=engine, compositor_device=compositor),
                 cycles=Thing(device=device, shading_system=osl))
