"""What speaks to Talas over gRPC: ``audio_stream.proto`` and the modules generated from it.

``python -m grpc_tools.protoc -I src --python_out=src --pyi_out=src --grpc_python_out=src
talas/v1/audio_stream.proto`` makes them anew.
"""
