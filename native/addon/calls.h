// The addon's calls, file by file: each reads arrays, starts a task, done. Each mirrors a call of
// lib/backend/.
#pragma once
#include <napi.h>

namespace exo {

void export_solving(Napi::Env env, Napi::Object exports);
void export_data(Napi::Env env, Napi::Object exports);
void export_estimates(Napi::Env env, Napi::Object exports);
void export_judging(Napi::Env env, Napi::Object exports);
void export_training(Napi::Env env, Napi::Object exports);
void export_sampling(Napi::Env env, Napi::Object exports);
void export_dense(Napi::Env env, Napi::Object exports);

}  // namespace exo
