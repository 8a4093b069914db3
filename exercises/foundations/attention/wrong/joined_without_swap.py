# caught by: multi_head
# patch: The heads are split rightly, but joined without swapping back.


class MultiHeadSelfAttention(nn.Module):
    """Self-attention in `heads` heads of width d_model / heads."""

    def __init__(self, d_model: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """x: (batch, n, d_model). mask: broadcastable to (batch, heads, n, n)."""
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        output, _ = attention(q, k, v, mask)  # (batch, heads, n, d_head)
        return self.out_proj(output.reshape(x.shape))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n, d_model) -> (batch, heads, n, d_head)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
