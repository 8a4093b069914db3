"""The pages of the content area, one module each, imported after the first paint."""
