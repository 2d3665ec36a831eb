// Package gherkin runs OpenFeature's own scenarios, those that the specification
// comes with, against the provider of Rolloutkit. They are in testdata; another
// folder of the same kind, such as that of a newer specification, is named by
// ROLLOUTKIT_GHERKIN.
package gherkin
