"""Policies: one paper a file, each a plain ``nn.Module`` with a frozen configuration. Needs torch."""
