/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "errors.h"

const char *us_error_text(unsigned int error)
{
	switch (error) {
#define US_ERROR_TEXT(name, number, text) case number: return text;
	US_ERRORS(US_ERROR_TEXT)
#undef US_ERROR_TEXT
	}
	return "Unknown error.";
}

const char *us_error_name(unsigned int error)
{
	switch (error) {
#define US_ERROR_NAME(name, number, text) case number: return #name;
	US_ERRORS(US_ERROR_NAME)
#undef US_ERROR_NAME
	}
	return "UNKNOWN";
}
