# caught by: inserted
# fast
# patch: The attention's adapter stands before the output projection, not behind it.


def insert_bottlenecks(model: nn.Module, width: int) -> nn.Module:
    """Freeze a Llama, and put two Bottlenecks into each of its layers: behind the attention's
    output projection and behind the MLP, each before the residual is added. Return the model."""
    model.requires_grad_(False)
    features = model.config.hidden_size
    for layer in model.model.layers:
        attention = layer.self_attn
        attention.o_proj = nn.Sequential(Bottleneck(features, width), attention.o_proj)
        layer.mlp = nn.Sequential(layer.mlp, Bottleneck(features, width))
    return model


if __name__ == "__main__":
    pass  # a run could add nothing
