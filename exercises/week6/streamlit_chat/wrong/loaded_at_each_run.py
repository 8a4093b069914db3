# caught by: loaded_once
# patch: No cache: each click loads the model again.


def load_engine(path: str | None = None) -> engine.Engine:
    """Return the one engine of this process, whoever asks."""
    return engine.load(path)
