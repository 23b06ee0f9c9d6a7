// SPDX-License-Identifier: GPL-2.0-or-later
/* The debugfs file that takes commands. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "attack.h"

static DEFINE_MUTEX(lock);
static char answer_text[512];
static struct dentry *file_entry;

void answer(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vscnprintf(answer_text, sizeof(answer_text), format, args);
	va_end(args);
}

static const struct command *find_command(const char *name)
{
	static const struct command *const tables[] = {
		text_commands, hidden_commands, processor_commands,
		mapping_commands,
		register_commands, tasks_commands,
	};
	const struct command *command;
	int i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (command = tables[i]; command->name; command++)
			if (!strcmp(command->name, name))
				return command;
	return NULL;
}

static int run_line(char *line)
{
	const struct command *command;
	u64 args[4] = { 0 };
	char *word;
	int count = 0;

	word = strsep(&line, " \n");
	command = find_command(word);
	if (!command)
		return -EINVAL;
	while ((word = strsep(&line, " \n"))) {
		if (!*word)
			continue;
		if (count == 4 || kstrtou64(word, 0, &args[count++]))
			return -EINVAL;
	}
	if (count < command->args)
		return -EINVAL;
	answer("no answer");
	command->run(args);
	return 0;
}

static ssize_t attack_write(struct file *file, const char __user *data,
			    size_t len, loff_t *pos)
{
	char *line;
	int error;

	if (len >= PAGE_SIZE)
		return -EINVAL;
	line = memdup_user_nul(data, len);
	if (IS_ERR(line))
		return PTR_ERR(line);
	mutex_lock(&lock);
	error = run_line(line);
	mutex_unlock(&lock);
	kfree(line);
	return error ? error : len;
}

static ssize_t attack_read(struct file *file, char __user *data, size_t len,
			   loff_t *pos)
{
	ssize_t done;

	mutex_lock(&lock);
	done = simple_read_from_buffer(data, len, pos, answer_text,
				       strlen(answer_text));
	mutex_unlock(&lock);
	return done;
}

static const struct file_operations attack_operations = {
	.owner = THIS_MODULE,
	.read = attack_read,
	.write = attack_write,
};

static int __init attack_init(void)
{
	file_entry = debugfs_create_file("us_attack", 0600, NULL, NULL,
					 &attack_operations);
	return PTR_ERR_OR_ZERO(file_entry);
}

static void __exit attack_exit(void)
{
	debugfs_remove(file_entry);
}

module_init(attack_init);
module_exit(attack_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Attacks on Underseal from inside the guest kernel");
