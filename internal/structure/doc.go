// Package structure has tests only. They hold the repository as a whole to its
// promises: who depends on whom, what a user's module records, and how the
// source is laid out.
package structure
