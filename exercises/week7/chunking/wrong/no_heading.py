# caught by: context
# patch: Embeds the body alone: "It defaults to 8" could stand anywhere.


@dataclass(frozen=True)
class Chunk:
    """A passage. body: a piece of one section, unchanged. text: what is embedded."""

    document: str
    title: str
    heading: str
    body: str

    @property
    def text(self):
        """Title, heading and body: "It defaults to 8" alone could stand anywhere."""
        return self.body
