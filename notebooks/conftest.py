"""Chapters as tests (pytest --nbval-lax) run with the values of the smoke profile, not those they show."""

from snnlib.chapters import parameters


def pytest_collection_modifyitems(items):
    for item in items:
        if "parameters" in getattr(item, "cell", {}).get("metadata", {}).get("tags", []):
            item.cell.source = parameters.fill(
                item.cell.source, parameters.resolve(item.path.stem, "smoke", {})[1]
            )
