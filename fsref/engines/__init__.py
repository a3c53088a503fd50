"""Three engines that share the network description and no arithmetic: `reference`, `events`, `quantized`."""
