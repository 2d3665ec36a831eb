package glex

import (
	"fmt"
	"math/big"
	"reflect"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// Any returns an attribute of a value whose type is known at run time only:
// nil, a text, a bool, a whole number of any size, a float64, a *big.Int or a
// *big.Rat. It refuses all else and says why. Containers are refused because
// the gem hashes what Ruby's inspect writes of them, which differs between
// versions of Ruby; times because [Time], [DateTime], [TimeWithZone] and [Date]
// write different texts; float32 because Ruby has no such numbers.
func Any(name string, value any) (core.Attr, error) {
	refuse := func(why string) (core.Attr, error) {
		return core.Attr{}, fmt.Errorf("glex: attribute %q: a %T can't be part of a context key: %s", name, value, why)
	}
	switch v := value.(type) {
	case nil:
		return Nil(name), nil
	case *big.Int:
		return BigInt(name, v), nil
	case *big.Rat:
		return Rational(name, v), nil
	case time.Time:
		return refuse("say which Ruby class it is with Time, DateTime, TimeWithZone or Date")
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.String:
		return core.String(name, v.String()), nil
	case reflect.Bool:
		return core.Bool(name, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return core.Int(name, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return core.Int(name, v.Uint()), nil
	case reflect.Float64:
		return Float(name, v.Float()), nil
	case reflect.Float32:
		return refuse("Ruby has no 32-bit floats; convert it to the float64 that the Ruby side has")
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return refuse("the gem would hash what Ruby's inspect writes of a container, which differs between versions of Ruby; " +
			"give its parts names of their own")
	}
	return refuse("only nil, texts, bools, whole numbers, float64, *big.Int and *big.Rat can")
}
