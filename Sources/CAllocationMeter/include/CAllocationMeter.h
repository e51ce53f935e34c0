// The largest piece of memory that the thread has asked for since the last reset. The functions of malloc(3) in the
// program that contains this take the place of glibc's and hand on to it.
#ifndef CALLOCATIONMETER_H
#define CALLOCATIONMETER_H

#include <stddef.h>

void allocation_meter_reset(void);
/// In octets.
size_t allocation_meter_largest(void);

#endif
