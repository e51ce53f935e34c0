"""Removes what earlier runs left behind: after a crash, or after `testbed/demo --keep`."""

from . import topology


def main() -> None:
    runs = sorted(topology.RUNS.iterdir()) if topology.RUNS.is_dir() else []
    removed = 0
    for directory in runs:
        if topology.owner_is_alive(directory):
            print(f"{directory.name}: still running, left alone")
            continue
        topology.delete_run(directory)
        removed += 1
    print(f"{removed} domain(s) removed")


if __name__ == "__main__":
    main()
