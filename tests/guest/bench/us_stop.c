// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long stop_machine() takes, as the kernel does before it changes code: all CPUs
 * spin with interrupts off while one runs a function. A number N that is written to
 * /sys/kernel/debug/us_stop is the number of places of five bytes that the function
 * changes, 0 to 256; reading gives `call_ns=N change_ns=N` of that one call:
 *
 *	call_ns		from calling stop_machine() to its return, as the stop of a
 *			patch counts from asking the CPUs to letting them go
 *	change_ns	of that, the function
 *
 * The places are in this module's own code, through a mapping that is writable.
 */
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/stop_machine.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#define PLACES		256
#define PLACE		5
#define PAGES		2	/* that the places lie in */

/* Code that nobody runs: room for the places. */
asm(".pushsection .text\n"
    ".balign 4096\n"
    "us_stop_room: .fill 8192, 1, 0xcc\n"
    ".popsection\n");
extern u8 us_stop_room[];

static DEFINE_MUTEX(lock);
static struct dentry *file_entry;
static u8 *writable;
static u64 call_ns, change_ns;

struct work {
	u32 places;
	u64 start_ns;
	u64 end_ns;
};

/* On the one CPU that works; the others wait in stop_machine() itself. */
static int change(void *arg)
{
	struct work *work = arg;
	u32 i, k;

	work->start_ns = ktime_get_mono_fast_ns();
	for (i = 0; i < work->places; i++)
		for (k = 0; k < PLACE; k++)
			WRITE_ONCE(writable[i * 32 + k],
				   ~writable[i * 32 + k]);
	sync_core();
	work->end_ns = ktime_get_mono_fast_ns();
	return 0;
}

static void measure(u32 places)
{
	struct work work = { .places = places };
	u64 start = ktime_get_ns();

	stop_machine(change, &work, NULL);
	call_ns = ktime_get_ns() - start;
	change_ns = work.end_ns - work.start_ns;
}

static ssize_t stop_write(struct file *file, const char __user *data,
			  size_t len, loff_t *pos)
{
	u32 places;
	int error = kstrtou32_from_user(data, len, 0, &places);

	if (error || places > PLACES)
		return error ? error : -EINVAL;
	mutex_lock(&lock);
	measure(places);
	mutex_unlock(&lock);
	return len;
}

static ssize_t stop_read(struct file *file, char __user *data, size_t len,
			 loff_t *pos)
{
	char text[80];
	int size;

	mutex_lock(&lock);
	size = scnprintf(text, sizeof(text), "call_ns=%llu change_ns=%llu\n",
			 call_ns, change_ns);
	mutex_unlock(&lock);
	return simple_read_from_buffer(data, len, pos, text, size);
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.read = stop_read,
	.write = stop_write,
};

static int __init stop_init(void)
{
	struct page *pages[PAGES];
	int i;

	for (i = 0; i < PAGES; i++)
		pages[i] = vmalloc_to_page(us_stop_room + i * PAGE_SIZE);
	writable = vmap(pages, PAGES, VM_MAP, PAGE_KERNEL);
	if (!writable)
		return -ENOMEM;
	file_entry = debugfs_create_file("us_stop", 0600, NULL, NULL,
					 &operations);
	return PTR_ERR_OR_ZERO(file_entry);
}

static void __exit stop_exit(void)
{
	debugfs_remove(file_entry);
	vunmap(writable);
}

module_init(stop_init);
module_exit(stop_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Underseal test: what stop_machine() takes");
