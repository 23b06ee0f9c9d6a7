/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The product's version, as every part reports it (see abi.h, CPUID). */
#ifndef UNDERSEAL_VERSION_H
#define UNDERSEAL_VERSION_H

#define US_VERSION_MAJOR	0
#define US_VERSION_MINOR	1
#define US_VERSION_PATCH	0

#define US_VERSION_STR2(n)	#n
#define US_VERSION_STR(n)	US_VERSION_STR2(n)

/* "0.1.0" */
#define US_VERSION_STRING	US_VERSION_STR(US_VERSION_MAJOR) "." \
	US_VERSION_STR(US_VERSION_MINOR) "." US_VERSION_STR(US_VERSION_PATCH)

/* The number that CPUID and struct us_status report. */
#define US_PRODUCT_VERSION	(US_VERSION_MAJOR << 16 | \
	US_VERSION_MINOR << 8 | US_VERSION_PATCH)

#endif
