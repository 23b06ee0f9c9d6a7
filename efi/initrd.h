/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The initrds of underseal.conf, offered the way Linux's EFI stub asks for them: as
 * one file behind LoadFile2 on a vendor media device path. Several are joined,
 * each padded with zeros to 4 bytes, as the kernel's unpacker wants.
 */
#ifndef UNDERSEAL_EFI_INITRD_H
#define UNDERSEAL_EFI_INITRD_H

#include "config.h"
#include "volume.h"

/* Open all files. Reports and returns US_E_NEXT_IMAGE_MISSING. */
enum us_error initrd_open(struct volume *volume,
			  const struct us_config *config);

/* Make them available; does nothing and succeeds when there are none. */
EFI_STATUS initrd_offer(void);

/* Take the offer back. */
void initrd_withdraw(void);

#endif
