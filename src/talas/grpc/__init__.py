"""The gRPC edge (extra ``talas[grpc]``): ``talas.v1.AudioStream``, as ``talas/v1`` has it."""

import os

# What the library would do around a fork, it does between the fork and the exec of each encoder,
# which breaks down there now and then. It is asked when the library is first imported.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
