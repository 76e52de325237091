#include "error.h"

namespace alice {

// Here, so that not every message brings the code of an exception along.
void throw_error(ErrorKind kind, const std::ostringstream& text) { throw Error(kind, text.str()); }

}  // namespace alice
