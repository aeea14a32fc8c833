"""The demo: phones, patrols, buses and an operator that know Vigie only by its public contract."""
