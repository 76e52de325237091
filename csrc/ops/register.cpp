#include "register.h"

namespace alice {

void register_kernels() {
  [[maybe_unused]] static const bool once = [] {
    Registry& r = Registry::instance();
    register_elementwise(r);
    register_matmul(r);
    register_reduce(r);
    register_softmax(r);
    register_attention(r);
    register_normalise(r);
    register_shape(r);
    register_concat(r);
    register_slices(r);
    register_indexing(r);
    register_scatter(r);
    register_searchsorted(r);
    register_sorting(r);
    register_update(r);
    register_lbfgs(r);
    register_exchange(r);
    register_random(r);
    register_random_rejection(r);
    register_checks(r);
    register_convolution(r);
    register_pooling(r);
    register_cholesky(r);
    register_systems(r);
    register_singular(r);
    register_spectral(r);
    register_expm(r);
    return true;
  }();
}

}  // namespace alice
