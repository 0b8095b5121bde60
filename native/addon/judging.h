// The addon's calls for judging latents: lib/backend/judging-requests.ts.
#pragma once
#include <napi.h>

namespace exo {

// featureMoments(request: FeatureMomentsRequest & { mapSizes, mapNumbers, moments }): Promise<void>
Napi::Value feature_moments_call(const Napi::CallbackInfo& call);
// nestedErrors(request: NestedRequest & NestedAnswer & { shape, columns }): Promise<void>
Napi::Value nested_errors_call(const Napi::CallbackInfo& call);

}  // namespace exo
