// Checks that the history of one record, read from standard input as JSON, is linearizable.
//
// The record is a register with a version: a read returns value and version, a write names the
// version that it expects and is rejected when the record has another one. A write whose outcome is
// unknown may take effect at any time after its call, or never. The checker is porcupine
// (https://github.com/anishathalye/porcupine), after Lowe, "Testing for linearizability" (2017).
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	Client    int      `json:"client"`
	Called    float64  `json:"called"`
	Returned  *float64 `json:"returned"` // null: the outcome is unknown
	Kind      string   `json:"kind"`
	Value     string   `json:"value"`
	Expected  int      `json:"expected"`
	Succeeded bool     `json:"succeeded"`
}

type register struct {
	version int
	value   string
}

const patience = 2 * time.Minute

func step(state, input, _ interface{}) (bool, interface{}) {
	now, op := state.(register), input.(operation)
	switch {
	case op.Kind == "read":
		return now.version == op.Expected && now.value == op.Value, now
	case op.Returned == nil:
		if now.version == op.Expected {
			return true, register{now.version + 1, op.Value}
		}
		return true, now
	case op.Succeeded:
		return now.version == op.Expected, register{now.version + 1, op.Value}
	default:
		return now.version != op.Expected, now
	}
}

func nanoseconds(seconds float64) int64 { return int64(seconds * 1e9) }

func main() {
	var history struct {
		Version    int         `json:"version"`
		Value      string      `json:"value"`
		Operations []operation `json:"operations"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&history); err != nil {
		fmt.Fprintln(os.Stderr, "the history cannot be read:", err)
		os.Exit(2)
	}
	model := porcupine.Model{
		Init: func() interface{} { return register{history.Version, history.Value} },
		Step: step,
	}
	var operations []porcupine.Operation
	for number, op := range history.Operations {
		returned := int64(math.MaxInt64)
		if op.Returned != nil {
			returned = nanoseconds(*op.Returned)
		}
		client := op.Client
		if op.Returned == nil {
			client = 1000 + number // its client goes on without it
		}
		operations = append(operations, porcupine.Operation{
			ClientId: client, Input: op, Call: nanoseconds(op.Called), Return: returned,
		})
	}
	result := porcupine.CheckOperationsTimeout(model, operations, patience)
	fmt.Println(result)
	if result != porcupine.Ok {
		os.Exit(1)
	}
}
