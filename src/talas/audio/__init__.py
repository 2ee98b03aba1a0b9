"""Pure audio: sniffing, decoding, loudness, waveforms. No database, no HTTP, no settings."""
