/*
 * Names of extended attributes in tar archives.
 *
 * GNU tar and libarchive write %, =, blanks and what is not printable in such a name as % and two
 * hexadecimal digits, since a name ends at the first =.
 */
#ifndef TOOLS_TREE_ATTRIBUTE_H
#define TOOLS_TREE_ATTRIBUTE_H

/*
 * The mark of a socket, for which tar has no type: it is written as a FIFO with this attribute.
 * Whoever does not know it gets a FIFO.
 */
#define TREE_ATTRIBUTE_SOCKET "fluxfs.socket"

/* The name that is meant; to be freed, NULL without memory. A % without two digits stays. */
char *tree_attribute_decode(const char *name);

#endif
