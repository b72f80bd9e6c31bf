"""The memory of another process, copied into a file so that it can be searched like any other."""

from __future__ import annotations

from pathlib import Path

_PIECE = 4 * 1024 * 1024


def copy_memory(pid: int, file: Path) -> int:
    """Everything writable: heaps, stacks, what libraries keep. Returns the number of bytes."""
    with Path(f"/proc/{pid}/maps").open(encoding="utf-8") as maps:
        regions = [line.split(maxsplit=5) for line in maps]
    copied = 0
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory, file.open("wb") as out:
        for region in regions:
            if not region[1].startswith("rw") or "[vvar" in region[-1]:
                continue
            first, last = (int(part, 16) for part in region[0].split("-"))
            try:
                memory.seek(first)
                while first < last and (piece := memory.read(min(_PIECE, last - first))):
                    out.write(piece)
                    first += len(piece)
                    copied += len(piece)
            except OSError:  # gone meanwhile, or not backed by anything
                continue
            out.write(b"\x00" * 64)  # neighbours in the file are none in memory
    return copied


def times(file: Path, needle: bytes) -> int:
    return file.read_bytes().count(needle)
