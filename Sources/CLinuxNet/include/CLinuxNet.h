#ifndef CLINUXNET_H
#define CLINUXNET_H
#include <netinet/in.h>
#endif
