"""The terminal interface: `tutor start`. It draws what the layers below say and has no logic of
its own."""
