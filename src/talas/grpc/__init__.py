"""The gRPC edge (extra ``talas[grpc]``): ``talas.v1.AudioStream``, as ``talas/v1`` has it."""
