#include "by_hand.h"

BY_HAND(hello) { call.results[0][0] = 2.0 * call[0][0]; }
