# caught by: bad_requests
# patch: Types only: a temperature of 9 and 100,000 tokens are let through.


class Ask(BaseModel):
    """The body of POST /v1/chat/completions. Fields that we do not know are left alone."""

    model: str
    messages: list[Message] = Field(min_length=1)
    temperature: float = 0.7
    max_tokens: int = 128
    stop: str | list[str] | None = None
    stream: bool = False

    def stops(self) -> list[str]:
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [stop for stop in stops if stop]
