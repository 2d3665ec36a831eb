// Package conformancetest holds the OpenFeature rollout against real providers:
// flagd's, in process, and OFREP's, over a real OFREP server. It is a module of
// its own, so that nobody who uses Rolloutkit ever sees the modules behind those.
//
// flagd needs nothing but this module. The OFREP server is the relay proxy of GO
// Feature Flag: where real servers are asked for, see internal/servers/realserver, it is
// built once and kept in $ROLLOUTKIT_CACHE, or in "rolloutkit" in the user's
// cache directory.
package conformancetest
