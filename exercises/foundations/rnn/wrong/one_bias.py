# caught by: equals_torch
# patch: The second bias is registered and never added.


class RNN(nn.Module):
    """weight_ih: (hidden, inputs). weight_hh: (hidden, hidden). Both biases: (hidden,)."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        bound = 1 / math.sqrt(hidden)  # as nn.RNN starts
        self.weight_ih = nn.Parameter(torch.empty(hidden, inputs).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(hidden, hidden).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))

    def forward(
        self, x: torch.Tensor, h: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x: (batch, time, inputs). h: the state before, (batch, hidden); None: zeros.

        Return the states at all times, (batch, time, hidden), and the last one, (batch, hidden).
        """
        if h is None:
            h = x.new_zeros(x.shape[0], self.weight_hh.shape[0])
        # The inputs' part needs no state: one product for all times.
        from_input = F.linear(x, self.weight_ih, self.bias_ih)
        states = []
        for t in range(x.shape[1]):
            h = torch.tanh(from_input[:, t] + F.linear(h, self.weight_hh))
            states.append(h)
        return torch.stack(states, dim=1), h
