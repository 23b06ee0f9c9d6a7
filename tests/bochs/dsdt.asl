/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Linux has to hear of Bochs's i440FX: the PCI bus with its windows, and sleep
 * states. Bochs takes SLP_TYP 0 as power-off and 1 as suspend to RAM (iodev/acpi.cc).
 */
DefinitionBlock ("", "DSDT", 2, "USEAL", "BOCHS", 1)
{
	Name (\_S5, Package () { 0, 0, 0, 0 })
	Name (\_S3, Package () { 1, 1, 0, 0 })

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed,
					PosDecode, 0, 0, 0xff, 0, 0x100)
				IO (Decode16, 0xcf8, 0xcf8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed,
					PosDecode, EntireRange,
					0, 0, 0xcf7, 0, 0xcf8)
				WordIO (ResourceProducer, MinFixed, MaxFixed,
					PosDecode, EntireRange,
					0, 0xd00, 0xffff, 0, 0xf300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed,
					MaxFixed, Cacheable, ReadWrite,
					0, 0xa0000, 0xbffff, 0, 0x20000)
				DWordMemory (ResourceProducer, PosDecode, MinFixed,
					MaxFixed, NonCacheable, ReadWrite,
					0, 0x80000000, 0xfebfffff, 0, 0x7ec00000)
			})
		}
	}
}
