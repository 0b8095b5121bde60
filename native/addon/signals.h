// Ctrl-C while JavaScript cannot answer: in a loop of its own, or in a call that does not return.
#pragma once
#include <napi.h>

namespace exo {

// guardSignals(milliseconds): void. From now on SIGINT and SIGTERM end the process (code 130) where it has
// not ended by itself after that long, and a second one at once; below 0, only a second one. Call it after
// process.on has set JavaScript's own handlers: they still come first. Another call changes how long that is.
// Does nothing on Windows.
Napi::Value guard_signals(const Napi::CallbackInfo& call);

// trackGroup(pid, running): void. A process group that is to end with the process.
Napi::Value track_group(const Napi::CallbackInfo& call);

}  // namespace exo
