// Every family of kernels, entered into the registry at the current instruction-set level.
#pragma once

#include "../core/kernel.h"

namespace alice {

void register_kernels();  // all of them; further calls do nothing

void register_elementwise(Registry&);
void register_matmul(Registry&);
void register_reduce(Registry&);
void register_softmax(Registry&);
void register_attention(Registry&);
void register_normalise(Registry&);
void register_shape(Registry&);
void register_concat(Registry&);
void register_slices(Registry&);
void register_indexing(Registry&);
void register_scatter(Registry&);
void register_searchsorted(Registry&);
void register_sorting(Registry&);
void register_update(Registry&);
void register_lbfgs(Registry&);
void register_exchange(Registry&);
void register_random(Registry&);
void register_random_rejection(Registry&);
void register_checks(Registry&);
void register_convolution(Registry&);
void register_pooling(Registry&);
void register_cholesky(Registry&);
void register_systems(Registry&);
void register_singular(Registry&);
void register_spectral(Registry&);
void register_expm(Registry&);

}  // namespace alice
