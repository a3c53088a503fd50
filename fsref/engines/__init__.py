"""Three engines that share the network description and no arithmetic: `reference`, `events`, `quantized`.

Each module has `simulator(net)`, which prepares once and returns a function from a batch of images to the
activity of one population after another, and `working_bytes(net)`, a bound on what that takes per image.
"""
