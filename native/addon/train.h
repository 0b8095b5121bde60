// The addon's calls for minibatch training.
#pragma once
#include <napi.h>

namespace exo {

void export_training(Napi::Env env, Napi::Object exports);

}  // namespace exo
